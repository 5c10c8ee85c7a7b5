//go:build linux

// Package demo shows the main use on real kernels: a snapshot, writes whose
// copies are in flight, a crash, and the verdict on the COW store that remains.
// In the first scene some copies are slow on purpose. In the second, on several
// CPUs, copies finish out of order by themselves.
// It runs dmsnapctl as a user would, and does not know the format of a store.
package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
)

// Steps of the host, in addition to those of the guest.
const (
	stepBoot   scene.Step = "boot"
	stepCrash  scene.Step = "SIGKILL"
	stepVerify scene.Step = "verify"
)

// machineLimit bounds the life of one machine: about ten times what it needs on
// an idle host.
const machineLimit = 4 * time.Minute

// Kernel is a kernel of the demonstration.
type Kernel struct {
	// Name is its name in the demonstration.
	Name string
	lab.Kernel
	// Replace is as in [lab.Machine].
	Replace map[string]string
}

// Kernels returns the stock kernel and the leaky one of an engine.
func Kernels(engine lab.Engine) (stock, leak Kernel, err error) {
	kernel, err := kernels.Defaults[engine].Find()
	if err != nil {
		return stock, leak, err
	}
	replace, err := variant.Modules(variant.Leaky.Name, kernel)
	if err != nil {
		return stock, leak, err
	}
	return Kernel{Name: variant.Stock, Kernel: kernel.Kernel},
		Kernel{Name: variant.Leaky.Name, Kernel: kernel.Kernel, Replace: replace}, nil
}

// Stage is what the machines of a demonstration share.
type Stage struct {
	// Dir is the directory of the disks, which stay there.
	Dir string
	// programs is the directory with the built dmsnapctl and guest program.
	programs string
}

// NewStage builds the programs; Close removes them.
func NewStage(dir string) (*Stage, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	programs, err := os.MkdirTemp("", "dmsnapctl-demo-")
	if err != nil {
		return nil, err
	}
	s := &Stage{Dir: dir, programs: programs}
	if err := lab.Build(programs, "cmd/dmsnapctl", "vagrant/lab/demo/actor"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close removes the programs. The disks stay.
func (s *Stage) Close() error { return os.RemoveAll(s.programs) }

func (s *Stage) actor() string { return filepath.Join(s.programs, "actor") }

// disk returns the file of a disk of a kernel.
func (s *Stage) disk(k Kernel, role string) string {
	return filepath.Join(s.Dir, k.Name+"."+role)
}

// Play runs the demonstration on one kernel, and reports each step when it is
// done.
func (s *Stage) Play(ctx context.Context, k Kernel, told func(scene.Step, string)) (Ending, error) {
	ending := Ending{Kernel: k.Name, Store: s.disk(k, "cow"), Origin: s.disk(k, "origin")}
	if err := errors.Join(blank(ending.Origin, scene.OriginBytes), blank(ending.Store, scene.COWBytes)); err != nil {
		return ending, err
	}
	told(stepBoot, "Linux "+k.Release)
	tell := func(step scene.Step, text string) {
		if step == scene.Check {
			ending.Version, ending.Gate, _ = strings.Cut(text, " ")
			text = "snapshot " + ending.Version + ": " + ending.Gate
		}
		told(step, text)
	}
	if err := s.Crash(ctx, k, scene.Round{Store: scene.Fresh}, tell); err != nil {
		return ending, fmt.Errorf("%s kernel: %w", k.Name, err)
	}
	told(stepCrash, "the machine is gone")
	var err error
	if ending.Report, err = s.verify(ctx, ending.Store); err != nil {
		return ending, fmt.Errorf("%s kernel: %w", k.Name, err)
	}
	told(stepVerify, ending.Report.String())
	return ending, nil
}

// blank makes a disk file of zeros, replacing one from an earlier run.
func blank(path string, bytes int64) error {
	return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, bytes))
}

// machine returns a machine with an origin and a COW disk that plays one part.
func (s *Stage) machine(k Kernel, origin, cow, part string, args ...string) lab.Machine {
	return lab.Machine{
		Kernel:  k.Kernel,
		Replace: k.Replace,
		Disks:   []lab.Disk{{Path: origin}, {Path: cow}},
		Modules: []string{"dm-mod", "dm-snapshot", "dm-delay"},
		Program: s.actor(),
		Args:    append([]string{part, s.tool()}, args...),
		Env:     os.Environ(),
		Timeout: machineLimit,
	}
}

// words returns a round as arguments of the actor.
func words(r scene.Round) []string {
	return []string{strconv.Itoa(r.Origin), strconv.Itoa(r.Store)}
}

// Crash runs the machine until its writes are in flight, and crashes it.
func (s *Stage) Crash(ctx context.Context, k Kernel, round scene.Round, tell func(scene.Step, string)) error {
	m := s.machine(k, s.disk(k, "origin"), s.disk(k, "cow"), "crash", words(round)...)
	flying := false
	return s.run(ctx, m, func(step scene.Step, text string, r *lab.Running) {
		tell(step, text)
		if step == scene.Flying {
			flying = true
			go r.Crash() // which waits until the output is read to its end
		}
	}, func() error {
		if !flying {
			return errors.New("the guest ended before it was crashed")
		}
		return nil
	})
}

// Activate has the kernel activate a copy of the store, and returns the
// kernel's figures.
func (s *Stage) Activate(ctx context.Context, k Kernel, e Ending) (Status, error) {
	again := e.Store + ".again"
	if err := copyFile(again, e.Store); err != nil {
		return Status{}, err
	}
	defer os.Remove(again)
	var status Status
	found := errors.New("the guest reported no status")
	err := s.run(ctx, s.machine(k, e.Origin, again, "activate", words(scene.Round{})...), func(step scene.Step, text string, _ *lab.Running) {
		if step == scene.StatusLine {
			status, found = readStatus(text)
		}
	}, func() error { return found })
	return status, err
}

// run runs the machine to its end. It passes each line of the guest's output to
// heard, and asks at the end whether that was everything. A guest that gives up
// is crashed: it may be unable to exit by itself.
func (s *Stage) run(ctx context.Context, m lab.Machine, heard func(scene.Step, string, *lab.Running), whole func() error) error {
	lines, out := io.Pipe()
	var said strings.Builder
	m.Stdout, m.Stderr = out, &said
	r, err := m.Start()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, r.Crash)
	defer stop()
	go func() {
		_, _ = r.Wait() // asked for again below
		out.Close()
	}()
	var failed error
	last := stepBoot
	scanner := bufio.NewScanner(lines)
	for scanner.Scan() {
		step, text, ok := strings.Cut(scanner.Text(), scene.Separator)
		switch {
		case !ok:
		case scene.Step(step) == scene.Failed:
			failed = errors.New(text)
			go r.Crash() // which waits until the output is read to its end
		default:
			last = scene.Step(step)
			heard(last, text, r)
		}
	}
	status, err := r.Wait()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after %q: %w", last, ctx.Err())
	case failed != nil:
		err = failed
	case err == nil && status != 0:
		err = fmt.Errorf("the guest failed with status %d", status)
	case err == nil, errors.Is(err, lab.ErrCrashed):
		return whole()
	}
	if said := strings.TrimSpace(said.String()); said != "" {
		return fmt.Errorf("after %q: %w: %s", last, err, said)
	}
	return fmt.Errorf("after %q: %w", last, err)
}

// copyFile copies a disk.
func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
