package dmtest

// Device mapper in memory.

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

func (m *Machine) byName(name devices.Name) *Device { return m.Find(name.String()) }

// users counts who has dev open: live and waiting tables, and others.
func (m *Machine) users(d *Device) int {
	n := d.Open
	for _, o := range m.Devices {
		for _, t := range []table.Table{o.Live, o.Waiting} {
			if slices.Contains(refs(t), d.Dev) {
				n++
			}
		}
	}
	return n
}

func (m *Machine) exists(dev blockdev.DevNo) bool {
	if m.loopOf(dev) != nil {
		return true
	}
	for _, d := range m.Disks {
		if d.Number == dev {
			return true
		}
	}
	return slices.ContainsFunc(m.Devices, func(d *Device) bool { return d.Dev == dev })
}

// Version implements devices.Kernel.
func (m *Machine) Version() (gate.Version, error) { return gate.Version{Major: 4, Minor: 47}, nil }

// Targets implements devices.Kernel.
func (m *Machine) Targets() ([]devices.TargetVersion, error) {
	return []devices.TargetVersion{{Name: gate.SnapshotTarget, Version: m.SnapshotVersion}}, nil
}

// LoadTarget implements devices.Kernel.
func (m *Machine) LoadTarget(string) (gate.Version, error) { return gate.Version{}, syscall.EINVAL }

// AwaitLock implements devices.Kernel.
func (m *Machine) AwaitLock(context.Context) (bool, error) {
	if m.Lock == nil {
		return true, nil
	}
	return m.Lock(), nil
}

// Unlock implements devices.Kernel.
func (m *Machine) Unlock() {}

// Advance implements devices.Kernel.
func (m *Machine) Advance() {}

// Advanced implements devices.Kernel.
func (m *Machine) Advanced() time.Time { return m.LastAdvance }

// Arm implements devices.Kernel.
func (m *Machine) Arm() error { return nil }

// Poll implements devices.Kernel.
func (m *Machine) Poll(int) (bool, error) { return false, nil }

// Close implements devices.Kernel.
func (m *Machine) Close() error { return nil }

// List implements devices.Kernel.
func (m *Machine) List() ([]devices.Listed, error) {
	var out []devices.Listed
	for _, d := range m.Devices {
		name := wire.KernelName(d.Name)
		out = append(out, devices.Listed{Name: name, Dev: d.Dev, EventNr: d.events})
	}
	return out, nil
}

func (m *Machine) info(d *Device) devices.Info {
	name := wire.KernelName(d.Name)
	i := devices.Info{Name: name, Dev: d.Dev, OpenCount: int32(m.users(d)), EventNr: d.events, Targets: uint32(len(d.Live))}
	if d.UUID != "" {
		i.UUID, _ = wire.NewUUID(d.UUID)
	}
	if d.Suspended {
		i.Flags |= wire.FlagSuspend
	}
	if d.ReadOnly {
		i.Flags |= wire.FlagReadOnly
	}
	if d.Live != nil {
		i.Flags |= wire.FlagActive
	}
	if d.Waiting != nil {
		i.Flags |= wire.FlagInactive
	}
	return i
}

// Info implements devices.Kernel.
func (m *Machine) Info(name devices.Name) (devices.Info, error) {
	d := m.byName(name)
	if d == nil {
		return devices.Info{}, syscall.ENXIO
	}
	return m.info(d), nil
}

// slot is one of a device's two tables.
func (d *Device) slot(inactive bool) table.Table {
	if inactive {
		return d.Waiting
	}
	return d.Live
}

// ours reports whether a table has only snapshot targets.
func ours(t table.Table) bool {
	return !slices.ContainsFunc(t, func(l table.Target) bool { return !gate.IsSnapshotTarget(l.Spec.Type()) })
}

// Table implements devices.Kernel. Reading the table of other targets breaks a
// rule.
func (m *Machine) Table(name devices.Name, inactive bool) (devices.Info, table.Table, error) {
	d := m.byName(name)
	if d == nil {
		return devices.Info{}, nil, syscall.ENXIO
	}
	m.TablesRead = append(m.TablesRead, d.Name)
	if !ours(d.slot(inactive)) {
		m.broke("the table of %s was read", name)
	}
	return m.info(d), d.slot(inactive), nil
}

// CopyTable implements devices.Kernel.
func (m *Machine) CopyTable(from, to devices.Name) error {
	d := m.byName(from)
	if d == nil {
		return syscall.ENXIO
	}
	return m.Load(to, d.Live)
}

// SameTable implements devices.Kernel.
func (m *Machine) SameTable(waiting, live devices.Name) (bool, error) {
	a, b := m.byName(waiting), m.byName(live)
	if a == nil || b == nil {
		return false, syscall.ENXIO
	}
	return a.Waiting.String() == b.Live.String(), nil
}

// merging reports whether a merge into the device is live: the kernel does not
// load a second one (drivers/md/dm-snap.c: __validate_exception_handover).
func (m *Machine) merging(origin string) bool {
	return slices.ContainsFunc(m.Devices, func(d *Device) bool {
		m, ok := devices.SoleSpec(d.Live).(table.SnapshotMerge)
		return ok && m.Origin == origin
	})
}

// Status reports every snapshot as empty, so that a merge is done, unless it
// has a status of its own.
func (m *Machine) Status(name devices.Name, inactive bool) (devices.Info, []devices.StatusLine, error) {
	d := m.byName(name)
	if d == nil {
		return devices.Info{}, nil, syscall.ENXIO
	}
	var lines []devices.StatusLine
	for _, l := range d.slot(inactive) {
		line := devices.StatusLine{Start: l.Start, Length: l.Length, Type: l.Spec.Type()}
		switch {
		case !gate.HasStore(line.Type):
		case d.MergeFailed:
			line.Params = "Merge failed"
		case d.Status != "":
			line.Params = d.Status
		case m.StatusOfNew != "" && line.Type == gate.SnapshotTarget:
			line.Params = m.StatusOfNew
		default:
			line.Params = "16/2048 16"
		}
		lines = append(lines, line)
	}
	return m.info(d), lines, nil
}

// Message implements devices.Kernel.
func (m *Machine) Message(name devices.Name, _ uint64, _ string) error {
	if m.byName(name) == nil {
		return syscall.ENXIO
	}
	return m.touch("a message")
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
	if flags&wire.FlagSkipLockFS != 0 {
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
