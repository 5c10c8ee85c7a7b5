package devices

// Views of all mapped devices, from which plans are made.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Device is one device: its state, its live table and its waiting table.
type Device struct {
	Info
	Live, Waiting table.Table
}

// Ref returns a reference to the device.
func (d *Device) Ref() *Ref { return &Ref{Name: d.Name, UUID: d.UUID, Dev: d.Dev} }

// Role returns the purpose of one of our devices, "" for all others.
func (d *Device) Role() Role {
	r, _, _ := ParseUUID(d.UUID)
	return r
}

// IsOurSnapshot reports whether we made the device as a snapshot. Its table may
// be another one, or missing.
func (d *Device) IsOurSnapshot() bool {
	return d.Role() == RoleSnapshot || d.Role() == RoleActivated || d.IsClone()
}

// IsClone reports whether we made the device as a clone.
func (d *Device) IsClone() bool { return d.Role() == RoleClone }

// Sole returns the live table's only target, nil if it has none or several.
func (d *Device) Sole() table.Spec { return SoleSpec(d.Live) }

// SoleSpec returns the only target of a table, nil if it has none or several.
func SoleSpec(t table.Table) table.Spec {
	if len(t) != 1 {
		return nil
	}
	return t[0].Spec
}

// View lists all devices, in the kernel's order.
type View []*Device

// Look reads the state of all devices. It omits devices that vanish meanwhile.
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

// readSlot learns the kind of table from the status, and reads only
// dm-snapshot's tables.
func readSlot(k Kernel, name Name, inactive bool) (Info, table.Table, error) {
	info, lines, err := k.Status(name, inactive)
	if err != nil || len(lines) != 1 || !gate.IsSnapshotTarget(lines[0].Type) {
		return info, outline(lines), err
	}
	return k.Table(name, inactive)
}

// ByName returns the device with this name, nil if there is none.
func (v View) ByName(name Name) *Device {
	for _, d := range v {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// ByDev returns the device with this number, nil if there is none.
func (v View) ByDev(dev blockdev.DevNo) *Device {
	for _, d := range v {
		if d.Dev == dev {
			return d
		}
	}
	return nil
}

// OriginOver returns the device whose live table is a snapshot-origin of base,
// or a merge into it; nil if there is none.
func (v View) OriginOver(base blockdev.DevNo) *Device {
	for _, d := range v {
		if b, ok := d.Base(); ok && b == base {
			return d
		}
	}
	return nil
}

// Base returns the device below a snapshot-origin or snapshot-merge.
func (d *Device) Base() (blockdev.DevNo, bool) { return BaseOf(d.Sole()) }

// BaseOf returns the device below a snapshot-origin or snapshot-merge target.
func BaseOf(spec table.Spec) (blockdev.DevNo, bool) {
	switch spec := spec.(type) {
	case table.SnapshotOrigin:
		return ParseDev(spec.Device)
	case table.SnapshotMerge:
		return ParseDev(spec.Origin)
	}
	return blockdev.DevNo{}, false
}

// SnapshotArgs returns the arguments of a device that is a snapshot.
func (d *Device) SnapshotArgs() (table.Snapshot, bool) {
	s, ok := d.Sole().(table.Snapshot)
	return s, ok
}

// SnapshotsOf returns the devices whose live table is a snapshot of base,
// except one that is being merged.
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

// MergeArgs returns the arguments of a device into which a snapshot is merged.
func (d *Device) MergeArgs() (table.SnapshotMerge, bool) {
	m, ok := d.Sole().(table.SnapshotMerge)
	return m, ok
}

// MergingInto returns the device into which our snapshot d is being merged, nil
// if it is not. Only the UUID of d still shows this.
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

// PartOf describes the part that a device plays in a stack, if that keeps it
// from being the origin or COW device of another snapshot: a store in use, a
// snapshot, or a layer below an origin. It returns "" for all others, including
// origins. It does not matter who made the stack: LVM's devices count like
// ours.
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

// MergesOurs reports whether the snapshot being merged into o is ours and its
// device still exists.
func (v View) MergesOurs(o *Device) bool {
	for _, d := range v {
		if v.MergingInto(d) == o {
			return true
		}
	}
	return false
}

// Real returns the layer with the origin's own table, for an origin device that
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

// ParseDev reads a device from a table that came from the kernel, which writes
// device numbers.
func ParseDev(s string) (blockdev.DevNo, bool) {
	dev, err := blockdev.ParseDevNo(s)
	return dev, err == nil
}
