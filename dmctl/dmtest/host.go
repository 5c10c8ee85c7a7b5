package dmtest

// The rest of the machine in memory: disks, their users, nodes, memory.

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// UsersOf implements host.Host.
func (m *Machine) UsersOf(devs []blockdev.DevNo) (map[blockdev.DevNo][]host.User, error) {
	m.look("UsersOf")
	all := map[blockdev.DevNo][]host.User{}
	for _, dev := range devs {
		all[dev] = m.usersOf(dev)
	}
	return all, nil
}

// Users implements host.Host.
func (m *Machine) Users(dev blockdev.DevNo) ([]host.User, error) {
	m.look("Users")
	return m.usersOf(dev), nil
}

func (m *Machine) usersOf(dev blockdev.DevNo) []host.User {
	var out []host.User
	mounted := func(where string) {
		if where != "" {
			out = append(out, host.User{What: "mounted at " + where})
		}
	}
	for _, d := range m.Devices {
		if d.Dev == dev {
			mounted(d.Mounted)
		}
		if slices.Contains(refs(d.Live), dev) {
			out = append(out, host.User{What: "held by " + d.Name, Holder: d.Dev})
		}
	}
	for _, d := range m.Disks {
		if d.Number == dev {
			mounted(d.Mounted)
		}
	}
	return out
}

// Programs implements host.Host.
func (m *Machine) Programs(dev blockdev.DevNo) []string {
	for _, d := range m.Devices {
		if d.Dev == dev && d.Open > 0 {
			return m.OpenBy
		}
	}
	return nil
}

// Below implements host.Host.
func (m *Machine) Below(dev blockdev.DevNo) ([]blockdev.DevNo, error) {
	m.look("Below")
	out := []blockdev.DevNo{dev}
	if l := m.loopOf(dev); l != nil {
		out = append(out, l.LiesOn...)
	}
	for _, d := range m.Disks {
		switch {
		case d.Number != dev:
		case d.Lost:
			return nil, devices.UnlessForced(false, "cannot tell where %v lies", dev)
		default:
			out = append(out, d.LiesOn...)
		}
	}
	for _, d := range m.Devices {
		if d.Dev == dev {
			for _, r := range refs(d.Live) {
				more, err := m.Below(r)
				if err != nil {
					return nil, err
				}
				out = append(out, more...)
			}
		}
	}
	return out, nil
}

// NodePath implements host.Host.
func (m *Machine) NodePath(dev blockdev.DevNo) string {
	m.look("NodePath")
	return dev.String()
}

// InFlight implements host.Host.
func (m *Machine) InFlight(dev blockdev.DevNo) (writes int, counted bool, err error) {
	return m.Writes[dev], !m.Uncounted, nil
}

// Refresh implements host.Host.
func (m *Machine) Refresh(dev blockdev.DevNo) error {
	if err := m.touch("a loop device"); err != nil {
		return err
	}
	if l := m.loopOf(dev); l != nil {
		l.Size = l.file.Bytes
	}
	return nil
}

// AddNode implements host.Host.
func (m *Machine) AddNode(name devices.Name, dev blockdev.DevNo) error {
	if err := m.touch("a node"); err != nil {
		return err
	}
	m.NodeDevs[name.String()] = dev
	return nil
}

// RemoveNode implements host.Host.
func (m *Machine) RemoveNode(name devices.Name) error {
	if err := m.touch("a node"); err != nil {
		return err
	}
	delete(m.NodeDevs, name.String())
	return nil
}

// Nodes implements host.Host.
func (m *Machine) Nodes() map[devices.Name]blockdev.DevNo {
	m.look("Nodes")
	out := map[devices.Name]blockdev.DevNo{}
	for n, dev := range m.NodeDevs {
		if name, err := devices.ParseName(n); err == nil && !left(n) {
			out[name] = dev
		}
	}
	return out
}

// LeftNodes implements host.Host.
func (m *Machine) LeftNodes() []devices.Name {
	var names []devices.Name
	for n := range m.NodeDevs {
		if name, err := devices.ParseName(n); err == nil && left(n) {
			names = append(names, name)
		}
	}
	return names
}

// left is true for the names of nodes that killed processes left.
func left(name string) bool { return strings.HasPrefix(name, ".") }

// HasNode implements host.Host.
func (m *Machine) HasNode(name devices.Name, dev blockdev.DevNo) bool {
	m.look("HasNode")
	d, ok := m.NodeDevs[name.String()]
	return ok && d == dev
}

// NodesFree implements host.Host.
func (m *Machine) NodesFree(...devices.Name) error {
	m.look("NodesFree")
	return m.NoNodes
}

// LockMemory implements host.Host.
func (m *Machine) LockMemory() (func(), error) {
	if err := m.touch("memory"); err != nil {
		return nil, err
	}
	m.MemoryLocked++
	return func() { m.MemoryLocked-- }, nil
}

// Sleep returns at once.
func (m *Machine) Sleep(time.Duration) {}

// Guard guards the devices of inUse; Bury makes it act.
func (m *Machine) Guard(inUse []blockdev.DevNo) (func() error, error) {
	if err := m.touch("a guardian"); err != nil {
		return nil, err
	}
	if m.NoGuard != nil {
		return nil, m.NoGuard
	}
	m.Guarded = true
	m.inUse = inUse
	return func() error {
		m.Guarded = false
		return m.TooLong
	}, nil
}

// Open implements host.Host.
func (m *Machine) Open(path string) (host.Disk, error) {
	m.Opened[path]++
	if to, linked := m.Links[path]; linked {
		return m.openAs(to, path)
	}
	return m.openAs(path, path)
}

func (m *Machine) openAs(path, name string) (host.Disk, error) {
	if d, ok := m.Disks[path]; ok {
		return &handle{m: m, d: d, path: name}, nil
	}
	for _, l := range m.Loops {
		if path == fmt.Sprintf("%s%d", loopDisk, l.Number.Minor) {
			return m.openLoop(l), nil
		}
	}
	if m.Files[path] != nil {
		return nil, devices.RefuseFor(host.ErrPlainFile, "%s is a plain file", path)
	}
	for _, d := range m.Devices {
		if blockdev.MappedNodes+d.Name == path {
			return m.openMapped(d, name), nil
		}
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: syscall.ENOENT}
}

func (m *Machine) openMapped(d *Device, name string) host.Disk {
	return &handle{m: m, path: name, d: &Disk{Number: d.Dev, Size: int64(d.Live.Size()) * cow.SectorSize, BlockSize: blockSize, Carries: m.MappedCarries}}
}

// OpenDev implements host.Host.
func (m *Machine) OpenDev(dev blockdev.DevNo) (host.Disk, error) {
	m.look("OpenDev")
	if l := m.loopOf(dev); l != nil {
		return m.openLoop(l), nil
	}
	for path, d := range m.Disks {
		if d.Number == dev {
			return &handle{m: m, d: d, path: path}, nil
		}
	}
	for _, d := range m.Devices {
		if d.Dev == dev {
			return m.openMapped(d, blockdev.MappedNodes+d.Name), nil
		}
	}
	return nil, syscall.ENXIO
}
