package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
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
	mounts, err := system.Mounts()
	places := mounts[dev]
	if err != nil || len(places) == 0 {
		return "", err
	}
	return fmt.Sprintf("mounted on %s", strings.Join(places, ", ")), nil
}

// isReadOnly reports whether the kernel refuses writes to a block device.
func isReadOnly(f *blockdev.File) bool {
	return f.IsBlockDevice() && blockdev.System{}.IsReadOnly(f.DevNo())
}

// refuseSnapshots refuses an origin that has snapshots: what they show would
// change with it, or their stores would have to hold all of it.
func refuseSnapshots(ctx context.Context, origin *blockdev.File) error {
	if !origin.IsBlockDevice() {
		return nil
	}
	ctl, err := openController()
	if errors.Is(err, dmctl.ErrNoDeviceMapper) {
		return nil
	}
	if err != nil {
		return err
	}
	defer ctl.Close() // only read from
	all, err := ctl.Snapshots(ctx)
	if err != nil {
		return err
	}
	return refuseOriginOf(all, blockdev.System{}.NodePath(origin.DevNo()))
}

func refuseOriginOf(all []dmctl.Snapshot, node string) error {
	for _, s := range all {
		if s.Origin == node || s.OriginDevice == node {
			return fmt.Errorf("the origin %s has a snapshot, %s: nothing is changed below that; remove it first", node, s.Name)
		}
	}
	return nil
}

// isLoop reports whether a device is a loop device over a file with a name.
func isLoop(f *blockdev.File) bool {
	return f.IsBlockDevice() && blockdev.System{}.LoopFile(f.DevNo()) != ""
}
