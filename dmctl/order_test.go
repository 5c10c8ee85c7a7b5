package dmctl

// The order of steps, and the steps that must not be missing.

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// If a step fails cleanly, once, the machine is as before when the error is
// returned, or as after if only the end was missing. No recovery is needed.
func TestCleanFailureIsUndone(t *testing.T) {
	for _, s := range scenarios() {
		before, after, calls := s.outcome(t)
		for n := 1; n <= calls; n++ {
			m := s.machine(t)
			m.Failures[n] = dmtest.Clean
			err, _ := s.run(m)
			switch got := m.String(); {
			case got == before, got == after:
			case errors.Is(err, ErrIncomplete): // after the point of no return
			default:
				t.Errorf("%s: call %d: %v\n%s", s.name, n, err, cmp.Diff(before, got))
			}
			if errors.Is(err, ErrIncomplete) && strings.Contains(err.Error(), "not all could be undone") {
				t.Errorf("%s: call %d: %v", s.name, n, err)
			}
		}
	}
}

// Only plans with a part that cannot be undone may need recovery after one
// clean failure: create and activate never do.
func TestCreateNeedsNoRecovery(t *testing.T) {
	for _, s := range scenarios() {
		if !strings.HasPrefix(s.name, "create") && !strings.HasPrefix(s.name, "activate") {
			continue
		}
		before, _, calls := s.outcome(t)
		for n := 1; n <= calls; n++ {
			m := s.machine(t)
			m.Failures[n] = dmtest.Clean
			if err, _ := s.run(m); err == nil || m.String() != before {
				t.Errorf("%s: call %d: %v\n%s", s.name, n, err, cmp.Diff(before, m.String()))
			}
		}
	}
}

// A waiting table would become live by the resume that recovery does to
// release I/O, so it is cleared first.
func TestRecoverClearsBeforeItResumes(t *testing.T) {
	m := scenario{setup: []func(*Controller) error{doCreate(onPlain)}}.machine(t)
	o := m.Find("s-origin")
	live := o.Live.String()
	o.Suspended, o.Waiting = true, table.Single(o.Live.Size(), table.Error{})
	c := NewOn(m)
	p, err := c.PlanRecover(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"clear the inactive table of s-origin", "resume s-origin"}, p.Steps()); diff != "" {
		t.Error(diff)
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Error(err)
	}
	if o.Suspended || o.Waiting != nil || o.Live.String() != live {
		t.Errorf("suspended %v, waiting %v, live %v", o.Suspended, o.Waiting, o.Live)
	}
}

// Between the plan and its run, somebody else removes the snapshot, and
// another device gets its name: that device stays.
func TestRemovalGoesByUUID(t *testing.T) {
	for _, s := range []struct {
		setup []func(*Controller) error
		plan  func(*Controller) (*Plan, error)
		name  string // of the device that is replaced
	}{
		{[]func(*Controller) error{doCreate(onPlain)}, planRemoveS, "s"},
		{[]func(*Controller) error{doCreate(onPlain)}, planRemoveS, "s-origin"},
		{[]func(*Controller) error{haveMapped, doCreate(onMapped)}, planRemoveS, "vol-dmsnap-real"},
	} {
		m := scenario{setup: s.setup}.machine(t)
		c := NewOn(m)
		p, err := s.plan(c)
		if err != nil {
			t.Fatal(err)
		}
		m.Find(s.name).UUID = "SOMEBODY-ELSE"
		_ = c.Run(context.Background(), p)
		if m.Find(s.name) == nil {
			t.Errorf("%s, which is somebody else's by now, was removed", s.name)
		}
	}
	// The undo of a create, too.
	m := dmtest.New()
	c := NewOn(m)
	p, err := c.PlanCreate(context.Background(), onPlain)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.e.BeforeStep = func(_ *Plan, n int) {
		if d := m.Find("s-origin"); d != nil && n == 4 {
			d.UUID = "SOMEBODY-ELSE"
			cancel()
		}
	}
	if err := c.Run(ctx, p); !errors.Is(err, context.Canceled) || m.Find("s-origin") == nil {
		t.Errorf("%v\n%s", err, m)
	}
}

func planRemoveS(c *Controller) (*Plan, error) {
	return c.PlanRemove(context.Background(), RemoveRequest{Name: "s"})
}

// Pages cached of a snapshot before its point in time, or of an origin before
// the merge, are dropped, and this happens after the swap.
func TestCacheIsDroppedAfterTheSwap(t *testing.T) {
	for _, s := range scenarios() {
		want := map[string][]string{
			"create on mapped": {"/dev/mapper/s-dmsnap-new"}, "activate on mapped": {"/dev/mapper/s-dmsnap-new"},
			"merge into plain": {"/dev/mapper/s-origin"}, "merge into mapped": {"/dev/mapper/vol"},
		}[s.name]
		if want == nil {
			continue
		}
		m := s.machine(t)
		m.CacheDropped = nil
		if err, _ := s.run(m); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.CacheDropped); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
	p, err := NewOn(scenario{setup: []func(*Controller) error{haveMapped}}.machine(t)).PlanCreate(context.Background(), onMapped)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) int {
		return slices.IndexFunc(p.Steps(), func(s string) bool { return strings.Contains(s, text) })
	}
	if swap, drop := at("swap its tables"), at("page cache"); swap < 0 || drop < swap {
		t.Errorf("the swap is step %d, the drop step %d", swap, drop)
	}
}

// The origin's file system is frozen at the moment of a snapshot. A snapshot
// that is about to be merged has no file system to freeze: nobody has it open,
// and freezing would write.
func TestFreezing(t *testing.T) {
	for _, s := range scenarios() {
		want := map[string][]string{"create second on plain": {}, "create second on mapped": {}, "merge into plain": {"s"}, "merge into plain once more": {"s-origin", "s"}}[s.name]
		if want == nil {
			continue
		}
		m := s.machine(t)
		m.SkippedFreeze = []string{}
		if err, _ := s.run(m); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.SkippedFreeze); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
}

// A merge is done when the kernel's figures say so, not when there are no
// figures.
func TestMergeIsDoneByFigures(t *testing.T) {
	for status, done := range map[string]bool{
		"16/2048 16": true, "24/2048 16": false, "Unknown": false, "Overflow": false,
		"16/2048": false, "0/2048": false, // kernels that do not tell how much is metadata
	} {
		m, _, _, p, _, _ := joined(t, mergeScenarios()[0])
		for _, d := range m.Devices {
			if _, is := devices.SoleSpec(d.Live).(table.SnapshotMerge); is {
				d.Status = status
			}
		}
		before := m.String()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := NewOn(m).FinishMerge(ctx, p, nil)
		if done != (err == nil) || !done && (!errors.Is(err, ErrStillMerging) || m.String() != before) {
			t.Errorf("%q: %v\n%s", status, err, cmp.Diff(before, m.String()))
		}
	}
}

// A path leads to another device in the meantime: the device that was checked
// is the one that is zeroed and loaded.
func TestPathsThatMove(t *testing.T) {
	const cowPath, originPath = "/dev/by-id/cow", "/dev/by-id/origin"
	rightCOW := blockdev.DevNo{Major: 8, Minor: 1}
	for name, do := range map[string]func(*Controller) error{
		"create":   doCreate(CreateRequest{Name: "s", Origin: originPath, COW: cowPath, ChunkBytes: 8 << 9}),
		"activate": doActivate(ActivateRequest{Name: "s", Origin: originPath, COW: cowPath, Force: true}),
		"record": doPlan(func(c *Controller) (*Plan, error) {
			p, _, err := c.PlanRecord(context.Background(), RecordRequest{Device: originPath, Log: cowPath})
			return p, err
		}),
	} {
		for at := 1; at <= 12; at++ {
			for _, how := range []dmtest.Failure{"", dmtest.Clean} { // the undo zeroes, too
				m := dmtest.New()
				m.Links[cowPath], m.Links[originPath] = "/dev/b", "/dev/a"
				if name == "activate" {
					m.Disks["/dev/b"].Data = dmtest.EmptyStore(8)
				}
				m.Failures[11] = how
				m.BeforeCall = func(n int) {
					if n == at {
						m.Links[cowPath], m.Links[originPath] = "/dev/c", "/dev/d"
					}
				}
				_ = do(NewOn(m))
				for _, d := range m.Devices {
					for _, l := range d.Live {
						if text := l.Spec.Params(); strings.Contains(text, "8:2") || strings.Contains(text, "8:3") {
							t.Errorf("%s, moved at call %d: %s has the table %s", name, at, d.Name, text)
						}
					}
				}
				for _, dev := range m.Zeroed {
					if dev != rightCOW {
						t.Errorf("%s, moved at call %d: %v was zeroed", name, at, dev)
					}
				}
				if diff := cmp.Diff(map[string]int{cowPath: 1, originPath: 1}, m.Opened); diff != "" {
					t.Errorf("%s: how often paths were opened: %s", name, diff)
				}
			}
		}
	}
}

// The COW device is ours from the check until the kernel takes it: nobody
// takes it in between, and an undo does not zero a device that somebody else
// took.
func TestCOWIsClaimed(t *testing.T) {
	m := dmtest.New()
	c := NewOn(m)
	p, err := c.PlanCreate(context.Background(), onPlain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]blockdev.DevNo{{Major: 8, Minor: 1}}, m.Claimed()); diff != "" {
		t.Error(diff)
	}
	m.BeforeCall = func(n int) {
		if n > 1 && m.Find("s-dmsnap-new") != nil && m.Failed() == 0 {
			m.Failures[n] = dmtest.Clean
			m.Disks["/dev/b"].Mounted = "/mnt" // as soon as it was released
		}
	}
	if err := c.Run(context.Background(), p); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v", err)
	}
	if n := len(m.Zeroed); n != 1 {
		t.Errorf("zeroed %d times", n)
	}
	if claimed := m.Claimed(); len(claimed) > 0 {
		t.Errorf("%v stay claimed", claimed)
	}
}

// A device that has nothing to do with snapshots has a secret in its live and
// its waiting table. Nobody reads them.
func TestForeignTablesAreNotRead(t *testing.T) {
	crypt := func(size int) table.Table {
		return table.Single(cow.Sectors(size), table.Opaque{Name: "crypt", Text: "aes-xts-plain64 5ec2e7 0 8:3 0"})
	}
	ctx := context.Background()
	for name, do := range map[string]func(*Controller) error{
		"list":   func(c *Controller) error { _, err := c.Snapshots(ctx); return err },
		"status": func(c *Controller) error { _, err := c.SnapshotNamed(ctx, "s"); return err },
		"create": doCreate(onPlain2), "remove": doRemove("s"), "merge": doMerge("s"), "grow": doPlan(growS), "rename": doPlan(renameToU),
		"recover": func(c *Controller) error { return c.Recover(ctx) },
		// Its table moves down into a layer, and comes back, without being read.
		"snapshot of it": func(c *Controller) error {
			r := CreateRequest{Name: "k", Origin: "/dev/mapper/keys", COW: "/dev/d"}
			return errors.Join(doCreate(r)(c), doRemove("k")(c))
		},
	} {
		m := scenario{setup: []func(*Controller) error{doCreate(onPlain)}}.machine(t)
		keys := &dmtest.Device{Name: "keys", UUID: "CRYPT-PLAIN-k", Dev: blockdev.DevNo{Major: 253, Minor: 90}, Live: crypt(2048)}
		other := &dmtest.Device{Name: "other", Dev: blockdev.DevNo{Major: 253, Minor: 91}, Live: table.Single(8, table.Zero{}), Waiting: crypt(8)}
		if name == "snapshot of it" {
			keys.UUID = ""
		}
		m.Devices = append(m.Devices, keys, other)
		if err := do(NewOn(m)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.Broken) > 0 || slices.Contains(m.TablesRead, "keys") && name != "snapshot of it" || slices.Contains(m.TablesRead, "other") {
			t.Errorf("%s: %v; the tables of %v were read", name, m.Broken, m.TablesRead)
		}
		if keys.Live.String() != crypt(2048).String() || other.Waiting.String() != crypt(8).String() {
			t.Errorf("%s: their tables are %v and %v", name, keys.Live, other.Waiting)
		}
	}
}
