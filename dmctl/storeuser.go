package dmctl

// Stores that are active in the kernel: their users and what the kernel says about
// them.

import (
	"context"
	"errors"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// StoreUser is the snapshot or the merge that uses an active store. Any program
// may have made it.
type StoreUser struct {
	// Name is the snapshot's name, or the name of the device it is being merged
	// into.
	Name    string
	Merging bool
	// Store is the device number of the COW device.
	Store blockdev.DevNo

	c     *Controller
	mixed bool // several targets, one of them a snapshot: no more is known
}

// StoreUser finds the snapshot or merge that uses one of several devices, given
// by number, as its COW device. It returns nil if there is none. Pass the
// store's own device and all devices built on it.
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
		if slices.Contains(stores, d.Dev) && len(d.Live) > 1 && slices.ContainsFunc(d.Live, func(t table.Target) bool { return gate.HasStore(t.Spec.Type()) }) {
			return &StoreUser{Name: d.Name.String(), c: c, mixed: true}, nil
		}
	}
	return nil, nil
}

// SnapshotAt returns the snapshot whose own device has a number, or nil if that
// is another device. A snapshot's device still counts while the snapshot is
// being merged.
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

// SnapshotOf returns a snapshot whose origin has a number, or nil if that is
// not an origin. Both the device below and the one above an origin count as
// the origin, and so does a device that a snapshot is being merged into.
func (c *Controller) SnapshotOf(ctx context.Context, origin blockdev.DevNo) (*Snapshot, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	base := origin
	if d := v.ByDev(origin); d != nil {
		if below, over := d.Base(); over {
			base = below
		}
	}
	for _, d := range v {
		if of, _, ok := storeArgs(d); !ok || of != base {
			continue
		}
		s, ok, err := c.snapshotOf(v, d)
		if ok || err != nil {
			return &s, errors.Join(err, ctx.Err())
		}
	}
	return nil, ctx.Err()
}

// userOf returns the device whose live table uses a store as its COW device.
func userOf(v devices.View, store blockdev.DevNo) *devices.Device {
	for _, d := range v {
		if _, cow, ok := storeArgs(d); ok && cow == store {
			return d
		}
	}
	return nil
}

// storeArgs returns the devices in the table of a snapshot or a merge.
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

// Look asks the kernel for the current state. The error wraps ErrNotFound if
// the store is no longer active.
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
	// This comes last: if nothing is in flight now, everything allocated before
	// the status line is committed.
	m.Quiet = (!m.Merging || d.Suspended() || state.Empty() || state.State == table.MergeFailed) && u.c.holdsStill(v, d)
	return m, ctx.Err()
}

// statusLine returns the status line of a device with one target.
func (c *Controller) statusLine(on devices.Name) (string, table.SnapshotStatus, error) {
	_, lines, err := c.e.Status(on, false)
	if err != nil || len(lines) != 1 {
		return "", table.SnapshotStatus{State: table.Unknown}, err
	}
	s, err := table.ParseSnapshotStatus(lines[0].Params)
	return lines[0].Params, s, err
}

// mayBeLeaky reports whether the kernel might not complete exceptions in the
// order of their allocation.
func (c *Controller) mayBeLeaky() bool {
	version, err := c.TargetVersion(gate.SnapshotTarget, false)
	if err != nil {
		return true
	}
	verdict, _ := gate.Judge(version)
	return verdict != gate.Fixed
}

// holdsStill reports whether nothing is in flight on the origin of a snapshot
// and on all its snapshots: every copy in progress holds back a write to one of
// them. It returns false if that is unknown.
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

// idle reports whether no write to a device is in flight, as far as the kernel
// counts them.
func (c *Controller) idle(dev blockdev.DevNo) bool {
	writes, counted, err := c.e.InFlight(dev)
	return err == nil && counted && writes == 0
}
