package dmtest

// Device mapper in memory.

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
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
	m.look("Targets")
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
	m.look("List")
	var out []devices.Listed
	for _, d := range m.Devices {
		name := devices.KernelName(d.Name)
		out = append(out, devices.Listed{Name: name, Dev: d.Dev, EventNr: d.events})
	}
	return out, nil
}

func (m *Machine) info(d *Device) devices.Info {
	name := devices.KernelName(d.Name)
	i := devices.Info{Name: name, Dev: d.Dev, OpenCount: int32(m.users(d)), EventNr: d.events, Targets: uint32(len(d.Live))}
	if d.UUID != "" {
		i.UUID, _ = devices.UUIDOf(d.UUID)
	}
	if d.Suspended {
		i.Flags |= devices.FlagSuspend
	}
	if d.ReadOnly {
		i.Flags |= devices.FlagReadOnly
	}
	if d.Live != nil {
		i.Flags |= devices.FlagActive
	}
	if d.Waiting != nil {
		i.Flags |= devices.FlagInactive
	}
	return i
}

// Info implements devices.Kernel.
func (m *Machine) Info(name devices.Name) (devices.Info, error) {
	m.look("Info")
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
	m.look("Table")
	m.TablesRead = append(m.TablesRead, d.Name)
	if !ours(d.slot(inactive)) {
		m.broke("the table of %s was read", name)
	}
	return m.info(d), d.slot(inactive), nil
}

// SameTable implements devices.Kernel.
func (m *Machine) SameTable(waiting, live devices.Name) (bool, error) {
	a, b := m.byName(waiting), m.byName(live)
	if a == nil || b == nil {
		return false, syscall.ENXIO
	}
	return a.Waiting.String() == b.Live.String(), nil
}

// Status reports every snapshot as empty, so that a merge is done, unless it
// has a status of its own.
func (m *Machine) Status(name devices.Name, inactive bool) (devices.Info, []devices.StatusLine, error) {
	m.look("Status")
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
func (m *Machine) Message(name devices.Name, _ uint64, text string) error {
	if m.byName(name) == nil {
		return syscall.ENXIO
	}
	if err := m.touch("a message"); err != nil {
		return err
	}
	m.Messages = append(m.Messages, name.String()+": "+text)
	return nil
}
