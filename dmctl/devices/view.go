package devices

// A look at all of device mapper's devices, from which plans are made.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Device is one device: its state, its live table and the one that waits.
type Device struct {
	Info
	Live, Waiting table.Table
}

// Ref names the device.
func (d *Device) Ref() *Ref { return &Ref{Name: d.Name, UUID: d.UUID, Dev: d.Dev} }

// Role is what one of our devices is for, "" for all others.
func (d *Device) Role() Role {
	r, _, _ := ParseUUID(d.UUID)
	return r
}

// IsOurSnapshot says whether we made the device to be a snapshot; its table
// may be another one, or none.
func (d *Device) IsOurSnapshot() bool {
	return d.Role() == RoleSnapshot || d.Role() == RoleActivated || d.IsClone()
}

// IsClone says whether we made the device to be a clone.
func (d *Device) IsClone() bool { return d.Role() == RoleClone }

// Sole is the live table's only target, nil where there is none or more.
func (d *Device) Sole() table.Spec { return SoleSpec(d.Live) }

func SoleSpec(t table.Table) table.Spec {
	if len(t) != 1 {
		return nil
	}
	return t[0].Spec
}

// View is all devices, in the kernel's order.
type View []*Device

// Look reads the state of all devices. One that vanishes meanwhile is left out.
func Look(k Kernel) (View, error) {
	listed, err := k.List()
	if err != nil {
		return nil, &Error{"list the devices of", "device mapper", err}
	}
	var v View
	for _, l := range listed {
		d, err := LookAt(k, l.Name)
		if IsGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v = append(v, d)
	}
	return v, nil
}

// LookAt reads the state of one device.
func LookAt(k Kernel, name Name) (*Device, error) {
	info, live, err := readSlot(k, name, false)
	if err != nil {
		return nil, &Error{"read the table of", name.String(), err}
	}
	d := &Device{Info: info, Live: live}
	if info.HasInactive() {
		if _, d.Waiting, err = readSlot(k, name, true); err != nil {
			return nil, &Error{"read the inactive table of", name.String(), err}
		}
	}
	return d, nil
}

// readSlot learns from the status what kind of table it is, and reads only
// dm-snapshot's.
func readSlot(k Kernel, name Name, inactive bool) (Info, table.Table, error) {
	info, lines, err := k.Status(name, inactive)
	if err != nil || len(lines) != 1 || !isSnapshotTarget(lines[0].Type) {
		return info, outline(lines), err
	}
	return k.Table(name, inactive)
}

func (v View) ByName(name Name) *Device {
	for _, d := range v {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func (v View) ByDev(dev blockdev.DevNo) *Device {
	for _, d := range v {
		if d.Dev == dev {
			return d
		}
	}
	return nil
}

// OriginOver is the device whose live table is a snapshot-origin of base, or
// a merge into it; nil where nothing is.
func (v View) OriginOver(base blockdev.DevNo) *Device {
	for _, d := range v {
		if b, ok := d.Base(); ok && b == base {
			return d
		}
	}
	return nil
}

// Base is the device below a snapshot-origin or snapshot-merge.
func (d *Device) Base() (blockdev.DevNo, bool) { return BaseOf(d.Sole()) }

func BaseOf(spec table.Spec) (blockdev.DevNo, bool) {
	switch spec := spec.(type) {
	case table.SnapshotOrigin:
		return ParseDev(spec.Device)
	case table.SnapshotMerge:
		return ParseDev(spec.Origin)
	}
	return blockdev.DevNo{}, false
}

// SnapshotArgs are the arguments of a device that is a snapshot.
func (d *Device) SnapshotArgs() (table.Snapshot, bool) {
	s, ok := d.Sole().(table.Snapshot)
	return s, ok
}

// SnapshotsOf are the devices whose live table is a snapshot of base, but for
// one that is being merged.
func (v View) SnapshotsOf(base blockdev.DevNo) []*Device {
	var out []*Device
	for _, d := range v {
		if s, ok := d.SnapshotArgs(); ok && v.MergingInto(d) == nil {
			if origin, ok := ParseDev(s.Origin); ok && origin == base {
				out = append(out, d)
			}
		}
	}
	return out
}

// MergeArgs are the arguments of a device into which a snapshot is merged.
func (d *Device) MergeArgs() (table.SnapshotMerge, bool) {
	m, ok := d.Sole().(table.SnapshotMerge)
	return m, ok
}

// MergingInto is the device into which snapshot d, which is ours, is being
// merged; nil where that is not so. Only its UUID still tells.
func (v View) MergingInto(d *Device) *Device {
	_, cow, ok := ParseUUID(d.UUID)
	if !ok || !d.IsOurSnapshot() || d.IsClone() {
		return nil
	}
	for _, o := range v {
		if m, is := o.MergeArgs(); is && m.COW == cow.String() {
			return o
		}
	}
	return nil
}

// PartOf says in words what part of a stack a device is that can be neither
// origin nor COW device of one more snapshot: a store in use, a snapshot, or a
// layer below an origin. It is "" for all others, origins among them. Whoever
// made the stack does not matter: LVM's count as ours.
func (v View) PartOf(dev blockdev.DevNo) string {
	is := func(s string) bool {
		part, ok := ParseDev(s)
		return ok && part == dev
	}
	for _, d := range v {
		snapshot, isSnapshot := d.SnapshotArgs()
		merge, isMerge := d.MergeArgs()
		switch {
		case isSnapshot && is(snapshot.COW):
			return "the COW device of snapshot " + d.Name.String()
		case isMerge && is(merge.COW):
			return "the COW device of the snapshot that is being merged into " + d.Name.String()
		case isSnapshot && d.Dev == dev:
			return "a snapshot itself"
		}
		if base, over := d.Base(); over && base == dev && v.ByDev(dev) != nil {
			return "a layer below the origin " + d.Name.String()
		}
	}
	return ""
}

// MergesOurs says whether what is being merged into o is a snapshot of ours,
// whose device is still there.
func (v View) MergesOurs(o *Device) bool {
	for _, d := range v {
		if v.MergingInto(d) == o {
			return true
		}
	}
	return false
}

// Real is the layer with the origin's own table, for an origin device that
// has one below it.
func (v View) Real(origin *Device) *Device {
	base, ok := origin.Base()
	if !ok {
		return nil
	}
	if d := v.ByDev(base); d != nil && d.Role() == RoleReal {
		return d
	}
	return nil
}

// ParseDev reads a device out of a table that came from the kernel, which
// writes numbers.
func ParseDev(s string) (blockdev.DevNo, bool) {
	dev, err := blockdev.ParseDevNo(s)
	return dev, err == nil
}
