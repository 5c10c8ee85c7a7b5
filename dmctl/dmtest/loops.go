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
	m.Loops = slices.DeleteFunc(m.Loops, func(l *Loop) bool {
		if l.handles > 0 || m.inTables(l.Number) || slices.Contains(m.HeldOpen, l.Number) {
			return false
		}
		l.file.Data = l.Data
		return true
	})
}

func (m *Machine) inTables(dev blockdev.DevNo) bool {
	return slices.ContainsFunc(m.Devices, func(d *Device) bool {
		return slices.Contains(refs(d.Live), dev) || slices.Contains(refs(d.Waiting), dev)
	})
}

// Parallel implements host.Host: the machine is not for concurrent use.
func (m *Machine) Parallel() int { return 1 }

func (m *Machine) openLoop(l *Loop) host.Disk {
	l.handles++
	return &handle{m: m, d: l.Disk, path: fmt.Sprintf("%s%d", loopDisk, l.Number.Minor), loop: l}
}
