package host

// File systems on snapshots, mounted read-only for a while.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// How long to wait for the users of a file system.
const (
	unmountTries = 25
	unmountPause = 200 * time.Millisecond
)

// Mount implements Host.
func (h *Linux) Mount(dev blockdev.DevNo, kind, dir string) error {
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	err := h.withNode(dev, func(path string) error {
		return unix.Mount(path, dir, kind, flags, mountOptions(kind, h.sys.IsReadOnly(dev)))
	})
	if err != nil {
		return fmt.Errorf("mount the %s on %s at %s: %w", kind, h.sys.NodePath(dev), dir, err)
	}
	return nil
}

// mountOptions returns the options for mounting a file system beside its
// origin. xfs refuses a second file system with the same UUID. A journal that
// was not written back is replayed into the snapshot, or skipped if the
// snapshot is read-only.
func mountOptions(kind string, readOnly bool) string {
	var options []string
	if kind == "xfs" {
		options = append(options, "nouuid")
	}
	if readOnly {
		switch kind {
		case "xfs":
			options = append(options, "norecovery")
		case "ext3", "ext4":
			options = append(options, "noload")
		}
	}
	return strings.Join(options, ",")
}

// Unmount implements Host.
func (h *Linux) Unmount(dev blockdev.DevNo, dir string) error {
	mounted := func() (bool, error) {
		mounts, err := h.sys.Mounts()
		return slices.Contains(mounts[dev], dir), err
	}
	return unmounted(dir, mounted, func() error { return unix.Unmount(dir, unix.UMOUNT_NOFOLLOW) }, h.Sleep)
}

// unmounted unmounts dir, and waits a while for its users.
func unmounted(dir string, mounted func() (bool, error), unmount func() error, sleep func(time.Duration)) error {
	for try := 1; ; try++ {
		is, err := mounted()
		if err != nil || !is {
			return err
		}
		err = unmount()
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("unmount %s: %w", dir, err)
		case try == unmountTries:
			return devices.Busy("%s is still in use by a program and stays mounted", dir)
		}
		sleep(unmountPause)
	}
}

// MountedAt implements Host.
func (h *Linux) MountedAt(dir string) (bool, error) {
	mounts, err := h.sys.MountTable()
	return slices.ContainsFunc(mounts, func(m blockdev.Mount) bool { return m.Place == dir }), err
}
