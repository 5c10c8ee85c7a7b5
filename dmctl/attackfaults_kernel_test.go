//go:build linux && kernel

package dmctl

// Devices that fail below the origin and below the COW store, before every
// step of each operation: nothing stays suspended, and when the device works
// again, recover restores the former state or completes the operation.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/soak"
)

// faulty is a device that can be made to fail: a linear piece of a disk.
type faulty struct {
	name, disk string
}

const faultySectors = 2048

func (f faulty) path() string { return "/dev/mapper/" + f.name }

func (f faulty) make(t *testing.T, c *Controller) {
	t.Helper()
	mapped(t, c, f.name, f.good())
}

func (f faulty) good() string { return fmt.Sprintf("0 %d linear %s 0", faultySectors, f.disk) }

// become swaps the table while the device is in use.
func (f faulty) become(t *testing.T, c *Controller, lines string) {
	t.Helper()
	tab, err := table.Parse(lines)
	if err == nil {
		err = errors.Join(c.e.Load(mustName(t, f.name), tab), c.e.Resume(mustName(t, f.name), 0))
	}
	if err != nil {
		t.Fatalf("%s becomes %s: %v", f.name, lines, err)
	}
}

// mend makes the device work again, with its node.
func (f faulty) mend(t *testing.T, c *Controller) {
	t.Helper()
	f.become(t, c, f.good())
	info, err := c.e.Info(mustName(t, f.name))
	if err == nil && !c.e.HasNode(mustName(t, f.name), info.Dev) {
		err = c.e.AddNode(mustName(t, f.name), info.Dev)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fault is a way for a device to fail.
type fault struct {
	name string
	is   func(f faulty) string // its table
	then func(t *testing.T, c *Controller, f faulty)
}

// faults are the faults that this kernel supports.
func faults(t *testing.T) []fault {
	t.Helper()
	one := func(format string) func(faulty) string {
		return func(f faulty) string { return fmt.Sprintf(format, faultySectors, f.disk) }
	}
	dead := func(faulty) string { return fmt.Sprintf("0 %d error", faultySectors) }
	all := []fault{
		{name: "error", is: dead},
		{name: "flakey", is: one("0 %d flakey %s 0 0 3600")},
		{name: "flakey writes", is: one("0 %d flakey %s 0 0 3600 1 error_writes")},
		{name: "short", is: func(f faulty) string { return fmt.Sprintf("0 8 linear %s 0", f.disk) }},
		{name: "gone", is: dead, then: func(t *testing.T, _ *Controller, f faulty) {
			if err := os.Remove(f.path()); err != nil {
				t.Error(err)
			}
		}},
	}
	if strings.Contains(os.Getenv("DMSNAPCTL_TEST_MISSING"), "dm-dust") {
		t.Run("dust", func(t *testing.T) { t.Skip("not applicable: the kernel has no dm-dust") })
		return all
	}
	return append(all, fault{name: "dust", is: one("0 %d dust %s 0 512"), then: func(t *testing.T, c *Controller, f faulty) {
		for block := range 64 {
			if err := c.e.Message(mustName(t, f.name), 0, fmt.Sprintf("addbadblock %d", block)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.e.Message(mustName(t, f.name), 0, "enable"); err != nil {
			t.Fatal(err)
		}
	}})
}

// victim is an operation on a stack of faulty devices.
type victim struct {
	name   string
	plain  bool // the origin is a loop device, not a mapped one
	first  bool // with the snapshot s
	second bool // with the snapshot s, and another store that is being made
	merges bool
	do     func(ctx context.Context, c *Controller, origin, store string) error
}

func victims() []victim {
	create := func(ctx context.Context, c *Controller, origin, store string) error {
		return c.Create(ctx, CreateRequest{Name: "n", Origin: origin, COW: store, ChunkBytes: 8 << 9, Force: true})
	}
	activate := func(ctx context.Context, c *Controller, origin, store string) error {
		return c.Activate(ctx, ActivateRequest{Name: "n", Origin: origin, COW: store, Force: true})
	}
	merge := func(ctx context.Context, c *Controller, _, _ string) error {
		return c.Merge(ctx, MergeRequest{Name: "s", OriginUnchanged: true}, nil)
	}
	remove := func(ctx context.Context, c *Controller, _, _ string) error {
		return c.Remove(ctx, RemoveRequest{Name: "s"})
	}
	return []victim{
		{name: "create", do: create},
		{name: "create on plain", plain: true, do: create},
		{name: "create a second", second: true, do: create},
		{name: "activate", do: activate},
		{name: "activate on plain", plain: true, do: activate},
		{name: "merge", first: true, merges: true, do: merge},
		{name: "merge into plain", plain: true, first: true, merges: true, do: merge},
		{name: "remove", first: true, do: remove},
		{name: "remove from plain", plain: true, first: true, do: remove},
		{name: "record", plain: true, do: recordOnce},
	}
}

// recordOnce records from start to end. A recording that cannot be ended is
// left as if the program had ended there.
func recordOnce(ctx context.Context, c *Controller, device, log string) error {
	p, rec, err := c.PlanRecord(ctx, RecordRequest{Device: device, Log: log})
	if err != nil {
		return err
	}
	if err := c.Run(ctx, p); err != nil {
		return err
	}
	if _, err := rec.Finish(); err != nil {
		_ = rec.log.Close() // as the end of the process does
		return err
	}
	return nil
}

// stack holds the devices of a case.
type stack struct {
	base, store faulty
	spare       string // a COW device that works
	origin      string
	device      string // to write to the origin through
	detach      func()
	old, now    []byte // of the origin: as the snapshot has it, and as it is
}

// build makes the devices again.
func (v victim) build(t *testing.T, c *Controller, s *stack, disks []string) {
	t.Helper()
	s.takeDown(t, c)
	s.base, s.store, s.spare = faulty{"base", disks[0]}, faulty{"store", disks[1]}, disks[2]
	s.base.make(t, c)
	s.store.make(t, c)
	fill(t, s.base.path(), 0, faultySectors*512, 1)
	s.old = noise(faultySectors*512, 1)
	s.now = append([]byte(nil), s.old...)
	s.placeOrigin(t, c, v.plain)
	s.device = s.origin
	cow := s.store.path()
	if v.second {
		cow = s.spare
	}
	if v.first || v.second {
		create(t, c, CreateRequest{Name: "s", Origin: s.origin, COW: cow, ChunkBytes: 8 << 9, Force: true})
		if v.plain {
			s.device = "/dev/mapper/s-origin"
		}
		fill(t, s.device, 0, mib/4, 2)
		copy(s.now, noise(mib/4, 2))
		return
	}
	emptyStores(t, s.store.path(), 1)
}

// placeOrigin puts the origin on its base.
func (s *stack) placeOrigin(t *testing.T, c *Controller, plain bool) {
	t.Helper()
	if !plain {
		s.origin = mapped(t, c, "vol", fmt.Sprintf("0 %d linear %s 0", faultySectors, s.base.path()))
		return
	}
	out, err := exec.Command("/usr/sbin/losetup", "--direct-io=on", "-f", "--show", s.base.path()).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v: %s", err, out)
	}
	s.origin = strings.TrimSpace(string(out))
	s.detach = func() { _ = exec.Command("/usr/sbin/losetup", "-d", s.origin).Run() }
}

// refit makes the loop device take the present size of what is below it. Its
// driver treats a write that ends early as successful (drivers/block/loop.c:
// lo_complete_rq), which no disk does.
func (s *stack) refit(t *testing.T) {
	t.Helper()
	if s.detach == nil {
		return
	}
	if out, err := exec.Command("/usr/sbin/losetup", "-c", s.origin).CombinedOutput(); err != nil {
		t.Errorf("losetup -c: %v: %s", err, out)
	}
}

// takeDown removes everything. The loop device goes with its last user.
func (s *stack) takeDown(t *testing.T, c *Controller) {
	t.Helper()
	if s.detach != nil {
		s.detach()
		s.detach = nil
	}
	removeAll(t, c)
}

// run runs the operation, with a fault before one step, and returns the number
// of steps.
func (v victim) run(t *testing.T, c *Controller, s *stack, at int, strike func()) (steps int, err error) {
	t.Helper()
	c.e.BeforeStep = func(*Plan, int) {
		if steps++; steps == at {
			strike()
		}
	}
	defer func() { c.e.BeforeStep = nil }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	err = v.do(ctx, c, s.origin, s.store.path())
	c.Release()
	return steps, err
}

func TestAttackFaults(t *testing.T) {
	c, disks := scratch(t)
	kinds := faults(t)
	tried, every := 0, soak.Every(t)
	soak.Report(t, "a fault before each step", func() int { return tried })
	some := rand.New(rand.NewPCG(20261125, 11)) // the same tenth each time
	for _, v := range victims() {
		t.Run(v.name, func(t *testing.T) {
			s := &stack{}
			defer s.takeDown(t, c)
			v.build(t, c, s, disks)
			before := state(t, c)
			steps, err := v.run(t, c, s, 0, nil)
			if err != nil || steps < 2 {
				t.Fatalf("%d steps, %v", steps, err)
			}
			after := state(t, c)
			for at := 1; at <= steps; at++ {
				for _, kind := range kinds {
					for _, below := range []string{"origin", "store"} {
						if some.IntN(every) != 0 {
							continue
						}
						tried++
						v.strike(t, c, s, disks, at, kind, below, before, after)
					}
				}
			}
		})
	}
}

// strike runs one case. Loop devices may get other numbers each time, so the
// comparison of before and after ignores them.
func (v victim) strike(t *testing.T, c *Controller, s *stack, disks []string, at int, kind fault, below, before, after string) {
	t.Helper()
	when := fmt.Sprintf("%s below the %s before step %d", kind.name, below, at)
	v.build(t, c, s, disks)
	target := s.base
	if below == "store" {
		target = s.store
	}
	_, err := v.run(t, c, s, at, func() {
		target.become(t, c, kind.is(target))
		s.refit(t)
		if kind.then != nil {
			kind.then(t, c, target)
		}
	})
	noneSuspended(t, c, when)
	target.mend(t, c)
	s.refit(t)
	ctx := context.Background()
	if r := c.Recover(ctx); r != nil {
		t.Errorf("%s: recover: %v", when, r)
	}
	got := state(t, c)
	if err == nil && got != after {
		t.Errorf("%s: no error, but %s", when, cmp.Diff(after, got))
	}
	if got != before && got != after {
		if !v.merges {
			t.Errorf("%s: %v; after recover neither before nor after; not before: %s not after: %s", when, err, cmp.Diff(before, got), cmp.Diff(after, got))
			return
		}
		v.mergeAgain(t, c, s, when)
		if got = state(t, c); got != after {
			t.Errorf("%s: %v; not merged by the second attempt: %s", when, err, cmp.Diff(after, got))
		}
	}
	want := s.now
	if v.merges && got == after {
		want = s.old
	}
	same(t, when+": the origin", content(t, s.base.path()), want)
}

// mergeAgain continues a merge that failed. If the kernel could not record
// what it had merged, that is refused, and the store is activated again, as
// after a reboot.
func (v victim) mergeAgain(t *testing.T, c *Controller, s *stack, when string) {
	t.Helper()
	_, err := v.run(t, c, s, 0, nil)
	if err == nil {
		return
	}
	if !errors.Is(err, ErrRefused) {
		t.Errorf("%s: merging again: %v", when, err)
		return
	}
	s.takeDown(t, c)
	s.base.make(t, c)
	s.store.make(t, c)
	s.placeOrigin(t, c, v.plain)
	ctx := context.Background()
	if err := c.Activate(ctx, ActivateRequest{Name: "s", Origin: s.origin, COW: s.store.path()}); err != nil {
		t.Errorf("%s: activating what was not merged: %v", when, err)
	}
	if err := c.Merge(ctx, MergeRequest{Name: "s", OriginUnchanged: true}, nil); err != nil {
		t.Errorf("%s: merging it after that: %v", when, err)
	}
}
