package plan_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// made makes a device with a table on a machine.
func made(t *testing.T, m *dmtest.Machine, name string, live table.Table) *devices.Ref {
	t.Helper()
	n, err := devices.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	dev := blockdev.DevNo{Major: 253, Minor: uint32(100 + len(m.Devices))}
	m.Devices = append(m.Devices, &dmtest.Device{Name: name, Dev: dev, Live: live})
	return &devices.Ref{Name: n, Dev: dev}
}

func fresh(t *testing.T, name string) *devices.Ref {
	t.Helper()
	n, err := devices.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := devices.NewRef(n, devices.RoleReal, blockdev.DevNo{})
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

var errNo = errors.New("no")

// fail is a step that fails.
var fail = plan.Do{What: "fail", Run: func() error { return errNo }}

// A plan is undone in reverse: a device cannot be removed before the devices
// on top of it.
func TestUndoRunsInReverse(t *testing.T) {
	m := dmtest.New()
	low, high := fresh(t, "low"), fresh(t, "high")
	on := func() table.Table { return table.Single(8, table.Linear{Device: low.Dev.String()}) }
	p := &plan.Plan{Title: "build a stack"}
	p.Add(plan.Create{Device: low}, plan.Create{Device: high}, plan.Load{Device: high, New: true, Table: plan.Table{Later: on}}, fail)
	err := plan.NewEngine(m).Run(context.Background(), p)
	if !errors.Is(err, errNo) || errors.Is(err, plan.ErrIncomplete) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("error %v", err)
	}
	if len(m.Devices) > 0 {
		t.Errorf("left:\n%s", m)
	}
}

// A failed step after the point of no return undoes nothing. All steps of an
// independent plan are tried.
func TestPointOfNoReturn(t *testing.T) {
	for _, independent := range []bool{false, true} {
		m := dmtest.New()
		ref := fresh(t, "d")
		p := &plan.Plan{Title: "finish"}
		if independent {
			p = plan.Independent("finish")
		}
		last := false
		p.Add(plan.Create{Device: ref})
		p.Finish(fail, plan.Do{What: "last", Run: func() error { last = true; return nil }})
		if err := plan.NewEngine(m).Run(context.Background(), p); !errors.Is(err, plan.ErrIncomplete) || !errors.Is(err, errNo) {
			t.Errorf("error %v", err)
		}
		if m.Find("d") == nil || last != independent {
			t.Errorf("independent %v: the last step ran: %v\n%s", independent, last, m)
		}
	}
}

// An outline of a table is not loaded instead of it: its targets lack their
// parameters.
func TestUnreadTablesAreNotLoaded(t *testing.T) {
	m := dmtest.New()
	keys := made(t, m, "keys", table.Single(8, table.Opaque{Name: "crypt", Text: "aes 5ec2e7 0 8:3 0"}))
	v, err := devices.Look(m)
	if err != nil {
		t.Fatal(err)
	}
	outline := v.ByName(keys.Name).Live
	if !devices.IsUnread(outline) || outline.Size() != 8 || strings.Contains(outline.String(), "5ec2e7") {
		t.Errorf("the outline is %v", outline)
	}
	copied := made(t, m, "copied", nil)
	for known, want := range map[*plan.Table]bool{{Known: outline}: false, {}: false, {Of: keys}: true} {
		m.Find("copied").Waiting = nil
		p := &plan.Plan{Title: "load"}
		p.Add(plan.Load{Device: copied, Table: *known})
		err := plan.NewEngine(m).Run(context.Background(), p)
		if loaded := m.Find("copied").Waiting != nil; loaded != want || want != (err == nil) {
			t.Errorf("%+v: loaded %v, %v", known, loaded, err)
		}
	}
	if len(m.Broken) > 0 {
		t.Error(m.Broken)
	}
}

// From the first to the last step of the pause, and no longer, memory is
// locked and a guardian stands by.
func TestPause(t *testing.T) {
	m := dmtest.New()
	d := made(t, m, "d", table.Single(8, table.Zero{}))
	var seen []bool
	look := plan.Do{What: "look", Run: func() error {
		seen = append(seen, m.MemoryLocked == 1 && m.Guarded)
		return nil
	}}
	p := &plan.Plan{Title: "pause"}
	p.Add(look)
	p.BeginPause(d.Dev)
	p.Add(plan.Suspend{Device: d}, look, plan.Resume{Device: d})
	p.EndPause()
	p.Add(look)
	if err := plan.NewEngine(m).Run(context.Background(), p); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]bool{false, true, false}, seen); diff != "" || len(m.Broken) > 0 {
		t.Error(diff, m.Broken)
	}
}

// Disks that a plan opened are closed when it is dropped, except those that
// were kept.
func TestDisksAreClosed(t *testing.T) {
	e := plan.NewEngine(dmtest.New())
	given, err := e.Open("/dev/a")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := e.Open("/dev/b")
	if err != nil {
		t.Fatal(err)
	}
	e.Keep(kept)
	e.Unlock()
	if given.Flush() == nil || kept.Flush() != nil {
		t.Errorf("given up: %v, kept: %v", given.Flush(), kept.Flush())
	}
}

// swindler gives each new device to somebody else at once.
type swindler struct {
	*dmtest.Machine
	took string
}

func (m *swindler) Create(name devices.Name, uuid devices.UUID) error {
	err := m.Machine.Create(name, uuid)
	if d := m.Find(name.String()); d != nil {
		d.UUID = m.took
	}
	return err
}

// A device that has the name but is another one must not be used or removed.
func TestDeviceThatTookTheName(t *testing.T) {
	m := &swindler{dmtest.New(), "somebody-else"}
	p := &plan.Plan{Title: "make a device"}
	p.Add(plan.Create{Device: fresh(t, "mine")})
	if err := plan.NewEngine(m).Run(context.Background(), p); err == nil {
		t.Error("another device is taken for the one that was made")
	}
	if d := m.Find("mine"); d == nil || d.UUID != m.took {
		t.Errorf("the other device is %+v", d)
	}
}

// The device below has become too small for both the new table and the old
// one: the kernel swaps in neither, and the device stays suspended with the
// old one live.
func TestSwapThatCannotBeTakenBack(t *testing.T) {
	m := dmtest.New()
	old := table.Single(8, table.Zero{})
	d := made(t, m, "d", old)
	m.Failures = map[int]dmtest.Failure{3: dmtest.Stuck, 5: dmtest.Stuck} // both swaps
	p := &plan.Plan{Title: "swap"}
	p.Add(plan.Load{Device: d, Table: plan.Table{Known: table.Single(8, table.Error{})}}, plan.Swap{Device: d, Old: plan.Table{Known: old}})
	if err := plan.NewEngine(m).Run(context.Background(), p); err == nil {
		t.Error("no error")
	}

	if got := m.Find("d"); got.Suspended || got.Live.String() != old.String() {
		t.Errorf("%d calls, and then:\n%s", m.Calls, m)
	}
}
