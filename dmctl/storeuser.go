package dmctl

// Stores that the kernel has active: who has them, and what it says of them.

import (
	"context"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// StoreUser is the snapshot, or the merge, that has a store active, whoever
// made it.
type StoreUser struct {
	// Name is the snapshot's, or that of the device it is being merged into.
	Name    string
	Merging bool
	// Store is the COW device's number.
	Store blockdev.DevNo

	c     *Controller
	mixed bool // a snapshot is one of several targets of the device: nobody asks for more
}

// StoreUser finds who has one of some devices as COW device, by their numbers;
// nil where no snapshot and no merge has. The devices are a store's own and all
// that are built on it.
func (c *Controller) StoreUser(stores ...blockdev.DevNo) (*StoreUser, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	for _, store := range stores {
		if d := userOf(v, store); d != nil {
			_, merging := d.MergeArgs()
			return &StoreUser{Name: d.Name.String(), Merging: merging, Store: store, c: c}, nil
		}
	}
	for _, d := range v {
		if slices.Contains(stores, d.Dev) && len(d.Live) > 1 && slices.ContainsFunc(d.Live, isSnapshotTarget) {
			return &StoreUser{Name: d.Name.String(), c: c, mixed: true}, nil
		}
	}
	return nil, nil
}

func isSnapshotTarget(t table.Target) bool {
	return t.Spec.Type() == gate.SnapshotTarget || t.Spec.Type() == "snapshot-merge"
}

// SnapshotAt is the snapshot whose own device has a number; nil where it is
// another device. The device of a snapshot that is being merged is one still.
func (c *Controller) SnapshotAt(ctx context.Context, dev blockdev.DevNo) (*Snapshot, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	d := v.ByDev(dev)
	if d == nil {
		return nil, nil
	}
	if _, is := d.MergeArgs(); is { // the origin's device
		return nil, nil
	}
	s, ok, err := c.snapshotOf(v, d)
	if err != nil || !ok {
		return nil, err
	}
	return &s, ctx.Err()
}

// userOf is the device whose live table has a store as its COW device.
func userOf(v devices.View, store blockdev.DevNo) *devices.Device {
	for _, d := range v {
		if _, cow, ok := storeArgs(d); ok && cow == store {
			return d
		}
	}
	return nil
}

// storeArgs are the devices in the table of a snapshot or a merge.
func storeArgs(d *devices.Device) (origin, cow blockdev.DevNo, ok bool) {
	args, is := d.SnapshotArgs()
	if merge, merging := d.MergeArgs(); merging {
		args, is = table.Snapshot(merge), true
	}
	if !is {
		return origin, cow, false
	}
	origin, knownOrigin := devices.ParseDev(args.Origin)
	cow, knownCOW := devices.ParseDev(args.COW)
	return origin, cow, knownOrigin && knownCOW
}

// Look asks what the kernel says now. The error wraps ErrNotFound where nobody
// has the store active any more.
func (u *StoreUser) Look(ctx context.Context) (verify.Moment, error) {
	if u.mixed {
		return verify.Moment{Leaky: u.c.mayBeLeaky()}, ctx.Err()
	}
	v, err := devices.Look(u.c.e)
	if err != nil {
		return verify.Moment{}, err
	}
	d := userOf(v, u.Store)
	if d == nil {
		return verify.Moment{}, &Error{Op: "find snapshot", Name: u.Name, Err: ErrNotFound}
	}
	m := verify.Moment{Leaky: u.c.mayBeLeaky()}
	_, m.Merging = d.MergeArgs()
	var state table.SnapshotStatus
	if m.Status, state, err = u.c.statusLine(d.Name); err != nil {
		return m, err
	}
	m.Metadata = state.Metadata
	// Last: what was allocated before the status line is committed if nothing
	// is in flight now.
	m.Quiet = (!m.Merging || d.Suspended() || state.Empty() || state.State == table.MergeFailed) && u.c.holdsStill(v, d)
	return m, ctx.Err()
}

// statusLine is the status line of a device that has one target.
func (c *Controller) statusLine(on devices.Name) (string, table.SnapshotStatus, error) {
	_, lines, err := c.e.Status(on, false)
	if err != nil || len(lines) != 1 {
		return "", table.SnapshotStatus{State: table.Unknown}, err
	}
	s, err := table.ParseSnapshotStatus(lines[0].Params)
	return lines[0].Params, s, err
}

// mayBeLeaky says whether the kernel is not known to complete exceptions in the
// order of their allocation.
func (c *Controller) mayBeLeaky() bool {
	version, err := c.TargetVersion(gate.SnapshotTarget, false)
	if err != nil {
		return true
	}
	verdict, _ := gate.Judge(version)
	return verdict != gate.Fixed
}

// holdsStill says whether nothing is in flight on the origin of a snapshot and
// on all snapshots of it: whatever is being copied holds back a write to one of
// them. It is false where nobody can tell.
func (c *Controller) holdsStill(v devices.View, snapshot *devices.Device) bool {
	base, _, ok := storeArgs(snapshot)
	return ok && !slices.ContainsFunc(v, func(d *devices.Device) bool {
		origin, over := d.Base()
		if snapshotOf, _, is := storeArgs(d); is {
			origin, over = snapshotOf, true
		}
		return over && origin == base && !d.Suspended() && !c.idle(d.Dev)
	})
}

// idle says whether no write to a device is in flight, as far as the kernel
// counts.
func (c *Controller) idle(dev blockdev.DevNo) bool {
	writes, counted, err := c.e.InFlight(dev)
	return err == nil && counted && writes == 0
}
