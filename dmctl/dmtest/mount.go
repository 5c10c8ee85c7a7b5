package dmtest

// What exists while a command runs, in memory: mounts, intents, LVM's
// snapshots.

import (
	"errors"
	"slices"
	"strings"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Mount implements host.Host.
func (m *Machine) Mount(dev blockdev.DevNo, kind, dir string) error {
	if err := m.touch("a mount"); err != nil {
		return err
	}
	if m.NoMount != nil {
		return m.NoMount
	}
	for _, d := range m.Devices {
		if d.Dev == dev {
			d.Mounted = dir
			return nil
		}
	}
	return syscall.ENXIO
}

// Unmount implements host.Host.
func (m *Machine) Unmount(dev blockdev.DevNo, dir string) error {
	if err := m.touch("a mount"); err != nil {
		return err
	}
	for _, d := range m.Devices {
		switch {
		case d.Dev != dev || d.Mounted != dir:
		case m.StaysMounted:
			return devices.Busy("%s is still in use", dir)
		default:
			d.Mounted = ""
		}
	}
	return nil
}

// MountedAt implements host.Host.
func (m *Machine) MountedAt(dir string) (bool, error) {
	return slices.ContainsFunc(m.Devices, func(d *Device) bool { return d.Mounted == dir }), nil
}

// Intend implements host.Host.
func (m *Machine) Intend(name string, text []byte) (func() error, error) {
	if err := m.touch("an intent"); err != nil {
		return nil, err
	}
	m.Intents[name], m.Held[name] = text, true
	return func() error { delete(m.Held, name); return m.Forget(name) }, nil
}

// Forsaken implements host.Host.
func (m *Machine) Forsaken() (map[string][]byte, error) {
	left := map[string][]byte{}
	for name, text := range m.Intents {
		if !m.Held[name] {
			left[name] = text
		}
	}
	return left, nil
}

// Forget implements host.Host.
func (m *Machine) Forget(name string) error {
	if err := m.touch("an intent"); err != nil {
		return err
	}
	delete(m.Intents, name)
	return nil
}

// LVM makes, lists and removes snapshots.
func (m *Machine) LVM(args ...string) error {
	m.LVMCalls = append(m.LVMCalls, strings.Join(args, " "))
	if err := m.touch("LVM"); err != nil {
		return err
	}
	if m.NoLVM != nil {
		return m.NoLVM
	}
	volume := args[len(args)-1]
	at, err := devices.KnownName(volume)
	if err != nil {
		return err
	}
	d := m.byName(at)
	switch args[0] {
	case "lvcreate":
		if d == nil {
			return errors.New("there is no such volume")
		}
		vg, _, _ := strings.Cut(volume, "/")
		name, err := devices.KnownName(vg + "/" + args[slices.Index(args, "-n")+1])
		if err != nil {
			return err
		}
		m.minor++
		m.Devices = append(m.Devices, &Device{Name: name.String(), UUID: "LVM-" + name.String(), Dev: blockdev.DevNo{Major: 253, Minor: m.minor},
			Live: table.Single(d.Live.Size(), table.Snapshot{Origin: d.Dev.String(), COW: "8:99", Store: table.Persistent, ChunkSize: 8})})
	case "lvs":
		if d == nil {
			return errors.New("there is no such volume")
		}
	case "lvremove":
		m.Devices = slices.DeleteFunc(m.Devices, func(o *Device) bool { return o == d })
	}
	return nil
}
