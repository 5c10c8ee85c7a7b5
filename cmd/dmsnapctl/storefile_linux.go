package main

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// usersOf says who uses a device: where it is mounted, or what is built on
// it; "" for nobody. A file's device is the loop device over it.
func usersOf(f *blockdev.File) (string, error) {
	above, err := devicesAbove(f)
	if err != nil {
		return "", err
	}
	if len(above) > 1 {
		return "by " + above[1].node, nil
	}
	var system blockdev.System
	dev, ok := f.DevNo(), f.IsBlockDevice()
	if !ok {
		dev, ok = loopOver(system, f.Path())
	}
	if !ok {
		return "", nil
	}
	places, err := system.Mounts(dev)
	if err != nil || len(places) == 0 {
		return "", err
	}
	return fmt.Sprintf("mounted on %s", strings.Join(places, ", ")), nil
}

// isReadOnly tells whether the kernel refuses writes to a block device.
func isReadOnly(f *blockdev.File) bool {
	return f.IsBlockDevice() && blockdev.System{}.IsReadOnly(f.DevNo())
}
