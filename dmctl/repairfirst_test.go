package dmctl

// Activating a store that is repaired first, on an in-memory machine.

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

var activateS = ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", Overflow: true}

// withStore is a machine whose /dev/b has a store with these records in the
// slots of its first area, and this valid field.
func withStore(valid byte, slots map[int]cow.Exception) *dmtest.Machine {
	m := dmtest.New()
	data := dmtest.EmptyStore(8)
	data[4] = valid
	for slot, e := range slots {
		copy(data[4096+slot*cow.ExceptionSize:], e.AppendTo(nil))
	}
	m.Disks["/dev/b"].Data = data
	return m
}

// withoutHeader is a machine whose /dev/b has the areas of a store and no header.
func withoutHeader() *dmtest.Machine {
	m := withStore(1, map[int]cow.Exception{0: {Old: 5, New: 2}})
	clear(m.Disks["/dev/b"].Data[:cow.HeaderSize])
	return m
}

var (
	staleSlots   = map[int]cow.Exception{3: {Old: 5, New: 7}}
	damagedSlots = map[int]cow.Exception{0: {Old: 5, New: 1 << 40}}
)

// A store with stale records is activated after a repair, or with force as it
// is. The repair is the plan's first step, and planning writes nothing.
func TestActivateRepairs(t *testing.T) {
	ctx := context.Background()
	m := withStore(1, staleSlots)
	before := bytes.Clone(m.Disks["/dev/b"].Data)
	c := NewOn(m)
	if _, err := c.PlanActivate(ctx, activateS); !errors.Is(err, ErrStale) {
		t.Errorf("without a repair: %v", err)
	}
	m.Opened = map[string]int{}
	r := activateS
	r.Repair = true
	p, err := c.PlanActivate(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "repair the store on /dev/b (8:1): clear 1 record after the end of the list"; p.Steps()[0] != want {
		t.Errorf("first step %q, want %q", p.Steps()[0], want)
	}
	if m.Calls > 0 || !bytes.Equal(m.Disks["/dev/b"].Data, before) {
		t.Errorf("planning changed something, in %d calls", m.Calls)
	}
	var repaired bool
	c.e.BeforeStep = func(_ *Plan, n int) {
		if n == 1 {
			repaired = bytes.Equal(m.Disks["/dev/b"].Data, dmtest.EmptyStore(8))
		}
	}
	if err := c.Run(ctx, p); err != nil {
		t.Fatal(err)
	}
	if !repaired || m.Find("s") == nil {
		t.Errorf("repaired before the second step: %v; the devices:\n%s", repaired, m)
	}
	if m.Opened["/dev/b"] != 1 {
		t.Errorf("/dev/b was looked up %d times", m.Opened["/dev/b"])
	}
	if len(m.Broken) > 0 {
		t.Error(m.Broken)
	}
}

// What --force does to the same store: it only adds a note.
func TestActivateByForceRepairsNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		machine *dmtest.Machine
		note    string
	}{
		"stale":   {withStore(1, staleSlots), "takes them for its own"},
		"invalid": {withStore(0, nil), "nothing can be read from the snapshot"},
	} {
		before := bytes.Clone(tt.machine.Disks["/dev/b"].Data)
		r := activateS
		r.Force = true
		c := NewOn(tt.machine)
		p, err := c.PlanActivate(context.Background(), r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var notes []string
		for _, n := range p.Notes {
			notes = append(notes, n.Text)
		}
		if all := strings.Join(notes, "\n"); !strings.Contains(all, "by force although") || !strings.Contains(all, tt.note) {
			t.Errorf("%s: notes %q, want %q", name, notes, tt.note)
		}
		if err := c.Run(context.Background(), p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(tt.machine.Disks["/dev/b"].Data, before) {
			t.Errorf("%s: the store was changed", name)
		}
	}
}

// What a repair cannot repair, or need not.
func TestActivateRepairRefusals(t *testing.T) {
	blank := dmtest.New()
	for name, tt := range map[string]struct {
		machine *dmtest.Machine
		force   bool
		want    error
	}{
		"sound":              {withStore(1, nil), false, nil},
		"blank":              {blank, false, ErrNoStore},
		"no header":          {withoutHeader(), false, ErrForce}, // it was perhaps invalidated
		"no header by force": {withoutHeader(), true, nil},
		"damaged":            {withStore(1, damagedSlots), false, ErrRefused},
		"damaged by force":   {withStore(1, damagedSlots), true, ErrRefused},
		"invalid":            {withStore(0, nil), false, ErrForce},
		"invalid by force":   {withStore(0, nil), true, nil},
	} {
		r := activateS
		r.Repair, r.Force = true, tt.force
		err := doActivate(r)(NewOn(tt.machine))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if tt.want != nil && (tt.machine.Calls > 0 || len(tt.machine.Claimed()) > 0) {
			t.Errorf("%s: refused after %d calls, %v stay claimed", name, tt.machine.Calls, tt.machine.Claimed())
		}
	}
}

// A failed call leaves no device, and the error says what happened to the
// store.
func TestActivateRepairFails(t *testing.T) {
	r := activateS
	r.Repair = true
	whole := withStore(1, staleSlots)
	if err := doActivate(r)(NewOn(whole)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= whole.Calls; n++ {
		m := withStore(1, staleSlots)
		before := m.String()
		m.Failures[n] = dmtest.Clean
		err := doActivate(r)(NewOn(m))
		if err == nil || !strings.Contains(err.Error(), "the store on /dev/b is repaired") {
			t.Errorf("call %d: %v", n, err)
		}
		if m.String() != before || len(m.Claimed()) > 0 {
			t.Errorf("call %d: %v stay claimed, devices:\n%s", n, m.Claimed(), m)
		}
	}
}
