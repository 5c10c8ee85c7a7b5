package dmctl

// Every plan with a failure, or death, at every call.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// scenario is a machine and an operation on it.
type scenario struct {
	name  string
	setup []func(*Controller) error
	do    func(*Controller) error
	// also leads to a state between before and after that is just as good: the
	// whole operation can be requested again.
	also []func(*Controller) error
}

func doCreate(r CreateRequest) func(*Controller) error {
	return func(c *Controller) error { return c.Create(context.Background(), r) }
}

func doActivate(r ActivateRequest) func(*Controller) error {
	return func(c *Controller) error { return c.Activate(context.Background(), r) }
}

func doPlan(plan func(c *Controller) (*Plan, error)) func(*Controller) error {
	return func(c *Controller) error {
		p, err := plan(c)
		if err != nil {
			return err
		}
		return c.Run(context.Background(), p)
	}
}

func renameToU(c *Controller) (*Plan, error) { return c.PlanRename(context.Background(), "s", "u") }
func growS(c *Controller) (*Plan, error) {
	return c.PlanGrow(context.Background(), GrowRequest{Name: "s"})
}

func doRemove(name string) func(*Controller) error {
	return func(c *Controller) error { return c.Remove(context.Background(), RemoveRequest{Name: name}) }
}

func doMerge(name string) func(*Controller) error {
	return func(c *Controller) error { return c.Merge(context.Background(), MergeRequest{Name: name}, nil) }
}

// storeOfOne is a store with chunks of 4 KiB that keeps chunk 0, which is full of b.
func storeOfOne(b byte) []byte {
	data := dmtest.EmptyStore(8)
	copy(data[4096:], cow.Exception{Old: 0, New: 2}.AppendTo(nil))
	return append(data, bytes.Repeat([]byte{b}, 4096)...)
}

// beginMerge begins a merge of s, and does not wait for its end.
func beginMerge(c *Controller) error {
	p, err := c.PlanMerge(context.Background(), MergeRequest{Name: "s"})
	if err != nil {
		return err
	}
	return c.Run(context.Background(), p)
}

// failedMerge begins a merge of s and makes it fail.
func failedMerge(c *Controller) error {
	if err := beginMerge(c); err != nil {
		return err
	}
	f := c.e.Machine.(*dmtest.Machine)
	f.Disks["/dev/b"].Data = storeOfOne('x')
	for _, d := range f.Devices {
		d.Open = 0 // nobody may use the origin when it begins again
		if _, ok := devices.SoleSpec(d.Live).(table.SnapshotMerge); ok {
			d.MergeFailed = true
		}
	}
	return nil
}

// haveMapped makes the dm device vol, in use.
func haveMapped(c *Controller) error {
	f := c.e.Machine.(*dmtest.Machine)
	name, _ := devices.ParseName("vol")
	if err := f.Create(name, devices.UUID{}); err != nil {
		return err
	}
	d := f.Find("vol")
	d.Open++
	d.Live = table.Table{{Start: 0, Length: 1024, Spec: table.Linear{Device: "8:0", Offset: 0}}, {Start: 1024, Length: 1024, Spec: table.Zero{}}}
	return f.AddNode(name, d.Dev)
}

// unused makes the device vol unused.
func unused(c *Controller) error {
	for _, d := range c.e.Machine.(*dmtest.Machine).Devices {
		d.Open = 0
	}
	return nil
}

var (
	onPlain   = CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", ChunkBytes: 8 << 9}
	onPlain2  = CreateRequest{Name: "t", Origin: "/dev/a", COW: "/dev/c", ChunkBytes: 8 << 9}
	onMapped  = CreateRequest{Name: "s", Origin: "/dev/mapper/vol", COW: "/dev/b", ChunkBytes: 8 << 9}
	onMapped2 = CreateRequest{Name: "t", Origin: "/dev/mapper/vol", COW: "/dev/c", Transient: true}
)

func scenarios() []scenario {
	type steps = []func(*Controller) error
	return append(cloneScenarios(), []scenario{
		{"create on plain", nil, doCreate(onPlain), nil},
		{"create second on plain", steps{doCreate(onPlain)}, doCreate(onPlain2), nil},
		{"create on mapped", steps{haveMapped}, doCreate(onMapped), nil},
		{"create second on mapped", steps{haveMapped, doCreate(onMapped)}, doCreate(onMapped2), nil},
		{"remove from plain", steps{doCreate(onPlain)}, doRemove("s"), nil},
		{"remove one of two from plain", steps{doCreate(onPlain), doCreate(onPlain2)}, doRemove("s"), nil},
		{"remove from mapped", steps{haveMapped, doCreate(onMapped)}, doRemove("s"), nil},
		{"remove one of two from mapped", steps{haveMapped, doCreate(onMapped), doCreate(onMapped2)}, doRemove("s"), nil},
		{"activate on plain", nil, doActivate(ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"}), nil},
		{"activate on mapped", steps{haveMapped}, doActivate(ActivateRequest{Name: "s", Origin: "/dev/mapper/vol", COW: "/dev/b"}), nil},
		{"rename", steps{doCreate(onPlain)}, doPlan(renameToU), nil},
		{"grow", steps{doCreate(onPlain)}, doPlan(growS), nil},
		{"grow a store's file", steps{withImage, smallClone}, doGrow(4096), nil},
		{"merge into plain", steps{doCreate(onPlain)}, doMerge("s"), nil},
		{"merge into plain with another", steps{doCreate(onPlain), doCreate(onPlain2)}, doMerge("s"), nil},
		{"merge into mapped", steps{haveMapped, doCreate(onMapped)}, doMerge("s"), nil},
		{"merge into mapped with another", steps{haveMapped, doCreate(onMapped), doCreate(onMapped2)}, doMerge("s"), nil},
		{"merge into plain once more", steps{doCreate(onPlain), failedMerge}, doMerge("s"), steps{doCreate(onPlain)}},
		{"merge into mapped once more", steps{haveMapped, doCreate(onMapped), failedMerge}, doMerge("s"), steps{haveMapped, doCreate(onMapped), unused}},
	}...)
}

func (s scenario) machine(t *testing.T) *dmtest.Machine {
	t.Helper()
	f := dmtest.New()
	if strings.HasPrefix(s.name, "activate") {
		f.Disks["/dev/b"].Data = dmtest.EmptyStore(8)
	}
	c := NewOn(f)
	for _, step := range s.setup {
		if err := step(c); err != nil {
			t.Fatal(err)
		}
	}
	f.Calls = 0
	return f
}

// run runs the scenario and reports whether that killed the process.
func (s scenario) run(f *dmtest.Machine) (err error, died bool) {
	died, err = dmtest.Dies(func() error { return s.do(NewOn(f)) })
	return err, died
}

// outcome returns the states before and after, without a failure, and the
// number of calls.
func (s scenario) outcome(t *testing.T) (before, after string, calls int) {
	t.Helper()
	f := s.machine(t)
	before = f.String()
	if err, _ := s.run(f); err != nil {
		t.Fatal(err)
	}
	if len(f.Broken) > 0 {
		t.Errorf("laws broken: %v", f.Broken)
	}
	if held := f.Suspended(); len(held) > 0 || f.MemoryLocked > 0 || f.Guarded {
		t.Errorf("left suspended: %v, memory locked %d times, guardian %v", held, f.MemoryLocked, f.Guarded)
	}
	return before, f.String(), f.Calls
}

// between is the state that also leads to, or "" if there is none.
func (s scenario) between(t *testing.T) string {
	t.Helper()
	if s.also == nil {
		return ""
	}
	return scenario{setup: s.also}.machine(t).String()
}

func one(before, between, after, got string) string {
	if got == before || got == after || got == between {
		return ""
	}
	return fmt.Sprintf("neither before nor after\ngot:\n%s\nnot before (-before +got):\n%s\nnot after (-after +got):\n%s", got,
		cmp.Diff(strings.Split(before, "\n"), strings.Split(got, "\n")), cmp.Diff(strings.Split(after, "\n"), strings.Split(got, "\n")))
}

func TestFailureAtEveryCall(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			before, after, calls := s.outcome(t)
			for n := 1; n <= calls; n++ {
				for _, how := range []dmtest.Failure{dmtest.Clean, dmtest.Lost, dmtest.Stuck, dmtest.Half} {
					f := s.machine(t)
					f.Failures[n] = how
					err, _ := s.run(f)
					if f.MemoryLocked != 0 || f.Guarded {
						t.Errorf("call %d (%s): memory stays locked %d times, guardian %v", n, how, f.MemoryLocked, f.Guarded)
					}
					if err == nil {
						if diff := cmp.Diff(after, f.String()); diff != "" {
							t.Errorf("call %d (%s): no error, but: %s", n, how, diff)
						}
						continue
					}
					if held := f.Suspended(); len(held) > 0 {
						t.Errorf("call %d (%s): left suspended: %v", n, how, held)
					}
					if f.String() != before {
						if !errors.Is(err, ErrIncomplete) {
							t.Errorf("call %d (%s): things changed, and the error does not say so: %v", n, how, err)
						}
						s.recover(t, f, fmt.Sprintf("call %d (%s)", n, how))
					}
					if bad := one(before, s.between(t), after, f.String()); bad != "" {
						t.Fatalf("call %d (%s): %v: %s", n, how, err, bad)
					}
				}
			}
		})
	}
}

// recover does what the user is told to do, without further failures.
func (s scenario) recover(t *testing.T, f *dmtest.Machine, when string) {
	t.Helper()
	f.Failures = nil
	if err := NewOn(f).Recover(context.Background()); err != nil {
		t.Errorf("%s: recover: %v\n%s", when, err, f)
	}
	p, err := NewOn(f).PlanRecover(context.Background())
	if err != nil || len(p.Steps()) > 0 {
		t.Errorf("%s: a second recover has something to do: %v, %v", when, p, err)
	}
}

func TestFailureOfUndo(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			before, after, calls := s.outcome(t)
			between := s.between(t)
			for n := 1; n <= calls; n++ {
				for m := n + 1; m <= n+thorough.Of(2, 8); m++ {
					for _, how := range []dmtest.Failure{dmtest.Clean, dmtest.Stuck, dmtest.Half} {
						f := s.machine(t)
						f.Failures[n], f.Failures[m] = dmtest.Clean, how
						err, _ := s.run(f)
						when := fmt.Sprintf("calls %d and %d (%s): %v", n, m, how, err)
						s.recover(t, f, when)
						if held := f.Suspended(); len(held) > 0 {
							t.Errorf("%s: left suspended: %v", when, held)
						}
						if bad := one(before, between, after, f.String()); bad != "" {
							t.Fatalf("%s: %s", when, bad)
						}
					}
				}
			}
		})
	}
}

func TestDeathAtEveryCall(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			before, after, calls := s.outcome(t)
			for n := 1; n <= calls; n++ {
				for _, how := range []dmtest.Failure{dmtest.Dead, dmtest.After} {
					f := s.machine(t)
					f.Failures[n] = how
					if _, died := s.run(f); !died {
						t.Errorf("call %d (%s): it lived", n, how)
					}
					when := fmt.Sprintf("call %d (%s)", n, how)
					f.Failures = nil
					if f.Bury() {
						if err := NewOn(f).Recover(context.Background()); err != nil {
							t.Errorf("%s: the guardian: %v", when, err)
						}
					}
					if held := f.Suspended(); len(held) > 0 {
						t.Errorf("%s: left suspended until recover: %v", when, held)
					}
					s.recover(t, f, when)
					if bad := one(before, s.between(t), after, f.String()); bad != "" {
						t.Fatalf("%s: %s", when, bad)
					}
				}
			}
		})
	}
}

// If the guardian had to end a pause, no snapshot is made: its image might mix
// several moments.
func TestPauseTooLong(t *testing.T) {
	for _, s := range scenarios() {
		if !strings.HasPrefix(s.name, "create second") {
			continue
		}
		f := s.machine(t)
		before := f.String()
		f.TooLong = ErrPauseTooLong
		if err, _ := s.run(f); !errors.Is(err, ErrPauseTooLong) {
			t.Errorf("%s: %v", s.name, err)
		}
		if diff := cmp.Diff(before, f.String()); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
}

// A run that is killed while it opens a device by its number leaves a node, also
// of a device that is not ours, or not mapped.
func TestRecoverRemovesMomentaryNodes(t *testing.T) {
	f := dmtest.New()
	c := NewOn(f)
	if err := haveMapped(c); err != nil {
		t.Fatal(err)
	}
	before := f.String()
	f.NodeDevs[".dmsnapctl-42-1"] = f.Devices[0].Dev
	f.NodeDevs[".dmsnapctl-42-2"] = blockdev.DevNo{Major: 7}
	if err := c.Recover(context.Background()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, f.String()); diff != "" {
		t.Error(diff)
	}
}

// A device that recovery must not touch in any state.
func TestRecoverLeavesOthersAlone(t *testing.T) {
	f := dmtest.New()
	c := NewOn(f)
	if err := haveMapped(c); err != nil {
		t.Fatal(err)
	}
	vol := f.Devices[0]
	vol.Suspended, vol.Waiting = true, table.Single(2048, table.Zero{})
	if err := doCreate(CreateRequest{Name: "s", Origin: "/dev/d", COW: "/dev/c"})(c); err != nil {
		t.Fatal(err)
	}
	before := f.String()
	if err := c.Recover(context.Background()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, f.String()); diff != "" {
		t.Error(diff)
	}
}
