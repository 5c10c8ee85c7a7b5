// Package here lists the names on this machine that a command line may contain:
// mapped devices, disks, logical volumes and kernels. It serves completion, so
// a list may be incomplete but must be fast.
//
// It reads names from sysfs and directories, which needs no privileges. It must
// not open a device.
package here

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Mapped is a device-mapper device.
type Mapped struct{ Name, UUID string }

// Snapshots returns the names of the snapshots that this program made, and
// VG/LV for logical volumes that are snapshots.
func Snapshots(root fs.FS) []string {
	mapped := mappedDevices(root)
	var names []string
	for _, m := range mapped {
		uuid, err := devices.UUIDOf(m.UUID)
		if err != nil {
			continue
		}
		role, _, ours := devices.ParseUUID(uuid)
		switch {
		case ours && (role == devices.RoleSnapshot || role == devices.RoleActivated):
			names = append(names, m.Name)
		case devices.OwnerOf(uuid) == devices.OwnerLVM && slices.ContainsFunc(mapped, func(o Mapped) bool { return o.Name == m.Name+devices.VolumeStoreSuffix }):
			names = append(names, volume(m.Name))
		}
	}
	return sorted(names)
}

// Devices returns the paths of block devices. Mapped devices are listed by
// name.
func Devices(root fs.FS) []string {
	var paths []string
	for _, m := range mappedDevices(root) {
		paths = append(paths, blockdev.MappedNodes+m.Name)
	}
	for _, d := range entries(root, "sys/class/block") {
		if strings.HasPrefix(d, "dm-") || strings.HasPrefix(d, "ram") || unusedLoop(root, d) {
			continue
		}
		paths = append(paths, "/dev/"+strings.ReplaceAll(d, "!", "/"))
	}
	return sorted(paths)
}

// Volumes returns the active logical volumes, as VG/LV.
func Volumes(root fs.FS) []string {
	var names []string
	for _, m := range mappedDevices(root) {
		// Layers below a volume have another word after the UUID.
		uuid, err := devices.UUIDOf(m.UUID)
		if err == nil && devices.OwnerOf(uuid) == devices.OwnerLVM && strings.Count(m.UUID, "-") == 1 {
			names = append(names, volume(m.Name))
		}
	}
	return sorted(names)
}

// Kernels returns the releases that have a directory of modules.
func Kernels(root fs.FS) []string {
	names := append(entries(root, "lib/modules"), entries(root, "usr/lib/modules")...)
	return sorted(names)
}

func mappedDevices(root fs.FS) []Mapped {
	var all []Mapped
	for _, d := range entries(root, "sys/class/block") {
		if !strings.HasPrefix(d, "dm-") {
			continue
		}
		m := Mapped{Name: line(root, "sys/class/block/"+d+"/dm/name"), UUID: line(root, "sys/class/block/"+d+"/dm/uuid")}
		if m.Name != "" {
			all = append(all, m)
		}
	}
	return all
}

func unusedLoop(root fs.FS, device string) bool {
	return strings.HasPrefix(device, "loop") && line(root, "sys/class/block/"+device+"/size") == "0"
}

// volume returns VG/LV for a mapped device that LVM named, and any other name
// unchanged.
func volume(name string) string {
	n, err := devices.ParseName(name)
	if err != nil {
		return name
	}
	vg, lv, ok := devices.VolumeOf(n)
	if !ok {
		return name
	}
	return vg + "/" + lv
}

func line(root fs.FS, path string) string {
	b, err := fs.ReadFile(root, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func entries(root fs.FS, dir string) []string {
	list, _ := fs.ReadDir(root, dir)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
