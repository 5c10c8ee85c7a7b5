//go:build linux

// The second scene: copies that finish out of order by themselves. It needs
// several CPUs, and nothing in it is slow on purpose.

package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// errNoLeak means that the leaky kernel was lucky in all tries.
var errNoLeak = errors.New("nothing leaked")

// Try is one crash of a kernel under its streams.
type Try struct {
	After time.Duration // time from the start of the streams to the crash
	Ending
}

// Tells reports whether the crash hit a kernel with copies in flight, after it
// had committed at least one area.
func (t Try) Tells() bool {
	n := t.Report.Usage.Exceptions
	return n >= scene.ChunkBytes/16 && n < scene.StreamsChunks
}

func (t Try) String() string {
	line := fmt.Sprintf("%.1f s: %v", t.After.Seconds(), t.Report)
	if n := t.Report.Leaks.Chunks; n > 0 {
		line += ", " + count.Of(n, "chunk")
	}
	return line
}

// judge checks what holds after each crash: a stock kernel loses nothing, and
// no kernel leaves a damaged store.
func (t Try) judge() error {
	r := t.Report
	clean := r.Verdict == "clean" && r.Exit == 0 && r.Leaks.Chunks == 0
	leaked := r.Verdict == "leaked" && r.Exit == 1 && r.Leaks.Chunks > 0
	switch {
	case t.Kernel == variant.Stock && (t.Gate != "fixed" || !clean),
		t.Kernel == variant.Leaky.Name && (t.Gate != "leaky" || !clean && !leaked):
		return fmt.Errorf("%s kernel: crashed after %v: its target is %s, and its store %v, %s leaked, exit code %d",
			t.Kernel, t.After, t.Gate, r, count.Of(r.Leaks.Chunks, "chunk"), r.Exit)
	}
	return nil
}

// Streams bounds the crashes of the second scene. A crash leaks only if it hits
// the leaky kernel between the commits of two areas, with an older copy still in
// flight.
type Streams struct {
	Stock int // crashes of the stock kernel that tell something
	Tries int // crashes of the leaky kernel at most, until it has leaked
}

// Crash crashes the stock kernel and the leaky one, both at once. When the
// stock kernel has lost nothing often enough, the leaky one goes on alone. told
// is called after each crash, with the stock kernel's try first.
func (b Streams) Crash(ctx context.Context, s *Stage, kernels [2]Kernel, told func(n int, tries []Try)) error {
	telling, leaked := 0, false
	for n := 1; n <= b.Tries && !(leaked && telling >= b.Stock); n++ {
		run := kernels[:]
		if telling >= b.Stock {
			run = kernels[1:]
		}
		tries, err := s.streamOnce(ctx, run)
		if err != nil {
			return err
		}
		told(n, tries)
		for _, t := range tries {
			if err := t.judge(); err != nil {
				return err
			}
			if t.Kernel == variant.Stock && t.Tells() {
				telling++
			}
			leaked = leaked || t.Report.Leaks.Chunks > 0
		}
	}
	switch {
	case telling < b.Stock:
		return fmt.Errorf("stock kernel: only %d of %d crashes had writes in flight and exceptions committed", telling, b.Tries)
	case !leaked:
		return fmt.Errorf("leaky kernel: %w in %s", errNoLeak, count.Of(b.Tries, "crash", "crashes"))
	}
	return nil
}

// streamOnce crashes kernels once, at the same random time.
func (s *Stage) streamOnce(ctx context.Context, kernels []Kernel) ([]Try, error) {
	tries := make([]Try, len(kernels))
	after := scene.CrashAfter + rand.N(scene.CrashBefore-scene.CrashAfter)
	return tries, atOnce(ctx, len(kernels), func(ctx context.Context, i int) (err error) {
		tries[i], err = s.stream(ctx, kernels[i], after)
		return err
	})
}

// stream runs one machine on blank disks, crashes it, and judges its store.
func (s *Stage) stream(ctx context.Context, k Kernel, after time.Duration) (Try, error) {
	t := Try{After: after, Ending: Ending{Kernel: k.Name, Store: s.disk(k, "streams-cow"), Origin: s.disk(k, "streams-origin")}}
	if err := errors.Join(blank(t.Origin, scene.StreamsOriginBytes), blank(t.Store, scene.StreamsCOWBytes)); err != nil {
		return t, err
	}
	m := s.machine(k, t.Origin, t.Store, "stream", k.Engine.DiskName(0), k.Engine.DiskName(1))
	streaming := false
	err := s.run(ctx, m, func(step scene.Step, text string, r *lab.Running) {
		switch step {
		case scene.Check:
			t.Version, t.Gate, _ = strings.Cut(text, " ")
		case scene.Streaming:
			streaming = true
			time.AfterFunc(after, r.Crash)
		}
	}, func() error {
		if !streaming {
			return errors.New("the guest ended before its streams began")
		}
		return nil
	})
	if err == nil {
		t.Report, err = s.verify(ctx, t.Store)
	}
	if err != nil {
		return t, fmt.Errorf("%s kernel: %w", k.Name, err)
	}
	return t, nil
}
