package dmctl

// A look at all of device mapper's devices, from which plans are made.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// device is one device: its state, its live table and the one that waits.
type device struct {
	wire.Info
	live, waiting table.Table
}

// role is what one of our devices is for, "" for all others.
func (d *device) role() role {
	r, _, _ := parseUUID(d.UUID)
	return r
}

// isOurSnapshot says whether we made the device to be a snapshot; its table
// may be another one, or none.
func (d *device) isOurSnapshot() bool { return d.role() == roleSnapshot || d.role() == roleActivated }

// sole is the live table's only target, nil where there is none or more.
func (d *device) sole() table.Spec { return soleSpec(d.live) }

func soleSpec(t table.Table) table.Spec {
	if len(t) != 1 {
		return nil
	}
	return t[0].Spec
}

// view is all devices, in the kernel's order.
type view []*device

// look reads the state of all devices. One that vanishes meanwhile is left out.
func (c *Controller) look() (view, error) {
	listed, err := c.k.List()
	if err != nil {
		return nil, &Error{"list the devices of", "device mapper", err}
	}
	var v view
	for _, l := range listed {
		d, err := c.lookAt(l.Name)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v = append(v, d)
	}
	return v, nil
}

func (c *Controller) lookAt(name wire.Name) (*device, error) {
	info, live, err := c.k.Table(name, false)
	if err != nil {
		return nil, &Error{"read the table of", name.String(), err}
	}
	d := &device{Info: info, live: live}
	if info.HasInactive() {
		if _, d.waiting, err = c.k.Table(name, true); err != nil {
			return nil, &Error{"read the inactive table of", name.String(), err}
		}
	}
	return d, nil
}

func (v view) byName(name wire.Name) *device {
	for _, d := range v {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func (v view) byDev(dev blockdev.DevNo) *device {
	for _, d := range v {
		if d.Dev == dev {
			return d
		}
	}
	return nil
}

// originOver is the device whose live table is a snapshot-origin of base, or
// a merge into it; nil where nothing is.
func (v view) originOver(base blockdev.DevNo) *device {
	for _, d := range v {
		if b, ok := d.base(); ok && b == base {
			return d
		}
	}
	return nil
}

// base is the device below a snapshot-origin or snapshot-merge.
func (d *device) base() (blockdev.DevNo, bool) { return baseOf(d.sole()) }

func baseOf(spec table.Spec) (blockdev.DevNo, bool) {
	switch spec := spec.(type) {
	case table.SnapshotOrigin:
		return parseDev(spec.Device)
	case table.SnapshotMerge:
		return parseDev(spec.Origin)
	}
	return blockdev.DevNo{}, false
}

// snapshotArgs are the arguments of a device that is a snapshot.
func (d *device) snapshotArgs() (table.Snapshot, bool) {
	s, ok := d.sole().(table.Snapshot)
	return s, ok
}

// snapshotsOf are the devices whose live table is a snapshot of base, but for
// one that is being merged.
func (v view) snapshotsOf(base blockdev.DevNo) []*device {
	var out []*device
	for _, d := range v {
		if s, ok := d.snapshotArgs(); ok && v.mergingInto(d) == nil {
			if origin, ok := parseDev(s.Origin); ok && origin == base {
				out = append(out, d)
			}
		}
	}
	return out
}

// mergeArgs are the arguments of a device into which a snapshot is merged.
func (d *device) mergeArgs() (table.SnapshotMerge, bool) {
	m, ok := d.sole().(table.SnapshotMerge)
	return m, ok
}

// mergingInto is the device into which snapshot d, which is ours, is being
// merged; nil where that is not so. Only its UUID still tells.
func (v view) mergingInto(d *device) *device {
	_, cow, ok := parseUUID(d.UUID)
	if !ok || !d.isOurSnapshot() {
		return nil
	}
	for _, o := range v {
		if m, is := o.mergeArgs(); is && m.COW == cow.String() {
			return o
		}
	}
	return nil
}

// real is the layer with the origin's own table, for an origin device that
// has one below it.
func (v view) real(origin *device) *device {
	base, ok := origin.base()
	if !ok {
		return nil
	}
	if d := v.byDev(base); d != nil && d.role() == roleReal {
		return d
	}
	return nil
}

// parseDev reads a device out of a table that came from the kernel, which
// writes numbers.
func parseDev(s string) (blockdev.DevNo, bool) {
	dev, err := blockdev.ParseDevNo(s)
	return dev, err == nil
}

// snapshotDevice finds a snapshot that we made. One that is being merged is
// refused: nothing can be done to it until that is over.
func (c *Controller) snapshotDevice(op, name string) (*device, error) {
	n, err := typedName(name)
	if err != nil {
		return nil, err
	}
	v, err := c.lookLocked()
	if err != nil {
		return nil, err
	}
	d := v.byName(n)
	switch {
	case d == nil:
		return nil, &Error{op, name, ErrNotFound}
	case !d.isOurSnapshot():
		return nil, &Error{op, name, errNotOurs}
	case v.mergingInto(d) != nil:
		return nil, &Error{op, name, refuse("it is being merged")}
	}
	return d, nil
}
