// Loop devices end with the last table that uses them.

package dmtest

import (
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

func (m *Machine) loopOf(dev blockdev.DevNo) *Loop {
	for _, l := range m.Loops {
		if l.Number == dev {
			return l
		}
	}
	return nil
}

// settle detaches the loop devices that nobody uses any more.
func (m *Machine) settle() {
	if !slices.ContainsFunc(m.Loops, func(l *Loop) bool { return l.handles == 0 }) {
		return
	}
	used := m.inTables()
	m.Loops = slices.DeleteFunc(m.Loops, func(l *Loop) bool {
		if l.handles > 0 || used[l.Number] || slices.Contains(m.HeldOpen, l.Number) {
			return false
		}
		l.file.Data = l.Data
		return true
	})
}

// inTables returns the devices that tables use.
func (m *Machine) inTables() map[blockdev.DevNo]bool {
	used := map[blockdev.DevNo]bool{}
	for _, d := range m.Devices {
		for _, dev := range append(refs(d.Live), refs(d.Waiting)...) {
			used[dev] = true
		}
	}
	return used
}

// Parallel implements host.Host: the machine is not for concurrent use.
func (m *Machine) Parallel() int { return 1 }

func (m *Machine) openLoop(l *Loop) host.Disk {
	l.handles++
	return &handle{m: m, d: l.Disk, path: fmt.Sprintf("%s%d", loopDisk, l.Number.Minor), loop: l}
}
