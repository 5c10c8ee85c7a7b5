package dmtest

// What changes device mapper in memory.

import (
	"slices"
	"strings"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// CopyTable implements devices.Kernel.
func (m *Machine) CopyTable(from, to devices.Name) error {
	d := m.byName(from)
	if d == nil {
		return syscall.ENXIO
	}
	return m.Load(to, d.Live)
}

// merging reports whether a merge into the device is live: the kernel does not
// load a second one (drivers/md/dm-snap.c: __validate_exception_handover).
func (m *Machine) merging(origin string) bool {
	return slices.ContainsFunc(m.Devices, func(d *Device) bool {
		m, ok := devices.SoleSpec(d.Live).(table.SnapshotMerge)
		return ok && m.Origin == origin
	})
}

// Create implements devices.Kernel.
func (m *Machine) Create(name devices.Name, uuid devices.UUID) error {
	how := m.change()
	if simple(how) {
		return syscall.ENOMEM
	}
	for _, d := range m.Devices {
		if d.Name == name.String() || uuid.String() != "" && d.UUID == uuid.String() {
			return syscall.EBUSY
		}
	}
	m.minor++
	m.Devices = append(m.Devices, &Device{Name: name.String(), UUID: uuid.String(), Dev: blockdev.DevNo{Major: 253, Minor: m.minor}})
	slices.SortFunc(m.Devices, func(a, b *Device) int { return strings.Compare(a.Name, b.Name) })
	return m.after(how)
}

// Load implements devices.Kernel.
func (m *Machine) Load(name devices.Name, t table.Table) error {
	how := m.change()
	if simple(how) {
		return syscall.ENOMEM
	}
	d := m.byName(name)
	if d == nil {
		return syscall.ENXIO
	}
	if held := m.Suspended(); len(held) > 0 && m.failed == 0 {
		m.broke("load of %s while %v is suspended", name, held)
	}
	if t.Check(blockSize) != nil {
		return syscall.EINVAL
	}
	for _, dev := range refs(t) {
		if !m.exists(dev) || dev == d.Dev {
			return syscall.EINVAL
		}
		if m.claims[dev] {
			return syscall.EBUSY
		}
	}
	if s, ok := devices.SoleSpec(t).(table.SnapshotMerge); ok && m.merging(s.Origin) {
		return syscall.EINVAL
	}
	d.Waiting = t
	return m.after(how)
}

// Clear implements devices.Kernel.
func (m *Machine) Clear(name devices.Name) error {
	how := m.change()
	if simple(how) {
		return syscall.EIO
	}
	d := m.byName(name)
	if d == nil {
		return syscall.ENXIO
	}
	d.Waiting = nil
	m.settle()
	return m.after(how)
}

// Suspend implements devices.Kernel.
func (m *Machine) Suspend(name devices.Name, flags devices.Flags) error {
	how := m.change()
	if simple(how) {
		return syscall.EINTR
	}
	d := m.byName(name)
	if d == nil {
		return syscall.ENXIO
	}
	if d.Live == nil {
		return syscall.EINVAL
	}
	if m.MemoryLocked != 1 || !m.Guarded {
		m.broke("%s is suspended with memory locked %d times, guardian %v", name, m.MemoryLocked, m.Guarded)
	}
	if flags&devices.FlagSkipLockFS != 0 {
		m.SkippedFreeze = append(m.SkippedFreeze, d.Name)
	}
	d.Suspended = true
	return m.after(how)
}

// Resume implements devices.Kernel.
func (m *Machine) Resume(name devices.Name, _ devices.Udev) error {
	how := m.change()
	d := m.byName(name)
	if d == nil {
		return syscall.ENXIO
	}
	if d.Waiting == nil {
		if simple(how) || d.Live == nil || m.awaitsHandover(d) {
			return syscall.EINVAL
		}
		d.Suspended = false
		return m.after(how)
	}
	if d.Live != nil && m.MemoryLocked != 1 {
		m.broke("%s is swapped with memory locked %d times", name, m.MemoryLocked)
	}
	next := d.Waiting
	switch how {
	case Clean:
		return syscall.ENOMEM
	case Lost:
		d.Waiting = nil
		return syscall.EINVAL
	case Stuck:
		d.Waiting, d.Suspended = nil, d.Live != nil
		return syscall.EINVAL
	case Half:
		d.Live, d.Waiting, d.Suspended = next, nil, true
		return syscall.EINVAL
	}
	d.Live, d.Waiting, d.MergeFailed = next, nil, false
	if m.sharesCOW(d) {
		d.Suspended = true
		return syscall.EINVAL
	}
	d.Suspended = false
	m.settle()
	return m.after(how)
}

// sharesCOW reports whether d would have to take over the store from a device
// that is not suspended: a merge from its snapshot, or the other way round
// (drivers/md/dm-snap.c: snapshot_preresume).
func (m *Machine) sharesCOW(d *Device) bool {
	from := cowOf[table.Snapshot]
	cow := cowOf[table.SnapshotMerge](d.Live)
	if cow == "" {
		from, cow = cowOf[table.SnapshotMerge], cowOf[table.Snapshot](d.Live)
	}
	return cow != "" && slices.ContainsFunc(m.Devices, func(o *Device) bool {
		return o != d && from(o.Live) == cow && !o.Suspended
	})
}

func cowOf[S table.Snapshot | table.SnapshotMerge](t table.Table) string {
	if s, ok := devices.SoleSpec(t).(S); ok {
		return table.SnapshotArgs(s).COW
	}
	return ""
}

// awaitsHandover reports whether a merge of the snapshot d is loaded and waits
// (the same function: the source does not resume until the handover is
// complete).
func (m *Machine) awaitsHandover(d *Device) bool {
	s, ok := devices.SoleSpec(d.Live).(table.Snapshot)
	return ok && slices.ContainsFunc(m.Devices, func(o *Device) bool {
		m, ok := devices.SoleSpec(o.Waiting).(table.SnapshotMerge)
		return ok && m.COW == s.COW
	})
}

// Rename implements devices.Kernel.
func (m *Machine) Rename(from, to devices.Name, _ devices.Udev) error {
	how := m.change()
	if simple(how) {
		return syscall.EBUSY
	}
	d := m.byName(from)
	if d == nil {
		return syscall.ENXIO
	}
	if m.byName(to) != nil {
		return syscall.EBUSY
	}
	if dev, ok := m.NodeDevs[d.Name]; ok { // udev follows
		delete(m.NodeDevs, d.Name)
		m.NodeDevs[to.String()] = dev
	}
	d.Name = to.String()
	return m.after(how)
}

// Remove implements devices.Kernel.
func (m *Machine) Remove(name devices.Name) error {
	how := m.change()
	if simple(how) {
		return syscall.EIO
	}
	d := m.byName(name)
	if d == nil {
		return syscall.ENXIO
	}
	if m.users(d) > 0 {
		return syscall.EBUSY
	}
	m.Devices = slices.DeleteFunc(m.Devices, func(o *Device) bool { return o == d })
	m.settle()
	return m.after(how)
}
