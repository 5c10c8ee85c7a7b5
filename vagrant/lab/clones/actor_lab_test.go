//go:build linux && lab

package clones

// The part that runs inside the machine.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const (
	inMachine = "in-machine" // the first argument of the part that runs there
	ready     = "cut the power"

	routines    = 16
	baseBytes   = 32 << 20
	markerBytes = 64 << 10
)

// A third of the clones is reset, and a third is removed. The others are in
// use when the power is cut.
const (
	reset = iota
	removed
	kept
	classes
)

// actor has one machine's disk with the image and the stores.
type actor struct {
	c    *dmctl.Controller
	dir  string
	n    int
	last time.Time
}

func act(part, disk, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	c, err := dmctl.Open()
	if err != nil {
		return err
	}
	a := &actor{c: c, dir: filepath.Join(os.TempDir(), "disk"), n: n, last: time.Now()}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(disk, a.dir, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", disk, err)
	}
	if part == "make" {
		if err := a.make(); err != nil {
			return err
		}
		fmt.Println(ready)
		select {}
	}
	return errors.Join(a.check(), unix.Unmount(a.dir, 0), c.Close())
}

func (a *actor) base() string       { return filepath.Join(a.dir, "base.img") }
func (a *actor) name(i int) string  { return fmt.Sprintf("clone %d", i) } // with a space
func (a *actor) store(i int) string { return filepath.Join(a.dir, nodeName(a.name(i))+".cow") }
func (a *actor) at(i int) string    { return filepath.Join(os.TempDir(), "at", strconv.Itoa(i)) }
func (a *actor) says(what string) {
	fmt.Printf("%s: %d ms\n", what, time.Since(a.last).Milliseconds())
	a.last = time.Now()
}

// of returns the clones of some classes.
func (a *actor) of(which ...int) (out []int) {
	for i := range a.n {
		for _, class := range which {
			if i%classes == class {
				out = append(out, i)
			}
		}
	}
	return out
}

// each runs something on clones, from many goroutines.
func each(numbers []int, do func(i int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, len(numbers))
	for range routines {
		all.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(numbers); k = int(next.Add(1)) - 1 {
				if err := do(numbers[k]); err != nil {
					errs[k] = fmt.Errorf("clone %d: %w", numbers[k], err)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (a *actor) make() error {
	ctx := context.Background()
	f, err := os.Create(a.base())
	if err == nil {
		err = errors.Join(f.Truncate(baseBytes), f.Close())
	}
	if err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", a.base()).CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, out)
	}
	unix.Sync()
	a.says("an image")
	everyone := a.of(reset, removed, kept)
	if err := each(everyone, func(i int) error {
		return a.c.Clone(ctx, dmctl.CloneRequest{Names: []string{a.name(i)}, Base: a.base(), StoreDir: a.dir})
	}); err != nil {
		return err
	}
	if err := a.counts(a.n); err != nil {
		return err
	}
	a.says(fmt.Sprintf("%d clones", a.n))
	if err := each(everyone, a.mark); err != nil {
		return err
	}
	a.says("each mounted and written to")
	if err := each(a.of(reset), func(i int) error {
		return a.c.Reset(ctx, dmctl.ResetRequest{Names: []string{a.name(i)}})
	}); err != nil {
		return err
	}
	if err := a.counts(a.n); err != nil {
		return err
	}
	a.says("a third reset")
	var names []string
	for _, i := range a.of(removed) {
		names = append(names, a.name(i))
	}
	if err := a.c.RemoveClones(ctx, dmctl.RemoveClonesRequest{Names: names, DeleteStores: true}); err != nil {
		return err
	}
	a.says("a third removed, in one call")
	return a.counts(a.n - len(names))
}

// marker is content that only one clone has.
func marker(i int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	out := make([]byte, markerBytes)
	for k := range out {
		out[k] = byte(r.Uint32())
	}
	return out
}

// mark mounts a clone and writes durable content to it. Clones that are kept
// stay mounted.
func (a *actor) mark(i int) error {
	if err := a.mount(i); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(a.at(i), "marker"))
	if err != nil {
		return err
	}
	_, err = f.Write(marker(i))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if i%classes == kept {
		return nil
	}
	return unix.Unmount(a.at(i), 0)
}

func (a *actor) mount(i int) error {
	if err := os.MkdirAll(a.at(i), 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/dev/mapper/"+nodeName(a.name(i)), a.at(i), "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

// nodeName is how device mapper, and so the store, writes a name with a space.
func nodeName(name string) string { return strings.ReplaceAll(name, " ", `\x20`) }

// check activates the clones that survived the power cut.
func (a *actor) check() error {
	ctx := context.Background()
	p, err := a.c.PlanRecoverStores(ctx, a.dir)
	if err == nil {
		err = a.c.Run(ctx, p)
	}
	if err != nil {
		return err
	}
	left := a.of(reset, kept)
	named := 0
	for _, n := range p.Notes {
		if strings.HasPrefix(n.Text, a.dir) && strings.Contains(n.Text, ".cow ") {
			named++
		}
	}
	if named != len(left) {
		return fmt.Errorf("recover names %d stores, want %d", named, len(left))
	}
	if err := each(left, func(i int) error {
		return a.c.ActivateClone(ctx, dmctl.ActivateCloneRequest{Name: a.name(i), Base: a.base(), Store: a.store(i), Overflow: true})
	}); err != nil {
		return err
	}
	if err := a.counts(len(left)); err != nil {
		return err
	}
	a.says(fmt.Sprintf("%d activated", len(left)))
	if err := each(left, a.checkMarker); err != nil {
		return err
	}
	a.says("each has what was written to it")
	for _, i := range a.of(removed) {
		if _, err := os.Stat(a.store(i)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clone %d was removed, and its store is there (%v)", i, err)
		}
	}
	if err := each(left, func(i int) error {
		return a.c.RemoveClones(ctx, dmctl.RemoveClonesRequest{Names: []string{a.name(i)}, DeleteStores: true})
	}); err != nil {
		return err
	}
	a.says("all removed")
	return a.counts(0)
}

func (a *actor) checkMarker(i int) error {
	if err := a.mount(i); err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(a.at(i), "marker"))
	switch {
	case i%classes == reset && !errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("it was reset, and has its marker (%v)", err)
	case i%classes == reset:
		err = nil
	case err == nil && !bytes.Equal(got, marker(i)):
		err = errors.New("its marker has other bytes")
	}
	return errors.Join(err, unix.Unmount(a.at(i), 0))
}

// counts checks that there are as many devices and loop devices as clones, and
// one more loop device for the base. udev may open one for a moment.
func (a *actor) counts(clones int) error {
	loops := 0
	if clones > 0 {
		loops = clones + 1
	}
	for try := 0; ; try++ {
		all, err := a.c.Snapshots(context.Background())
		if err != nil {
			return err
		}
		mapped, _ := filepath.Glob("/sys/block/dm-*")
		attached, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
		if len(all) == clones && len(mapped) == clones && len(attached) == loops {
			return nil
		}
		if try == 100 {
			return fmt.Errorf("%d clones, %d mapped devices and %d loop devices, want %d, %d and %d", len(all), len(mapped), len(attached), clones, clones, loops)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
