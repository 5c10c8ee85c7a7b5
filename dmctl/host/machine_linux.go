package host

// The host on a real machine.

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Linux is a real machine.
type Linux struct {
	sys      blockdev.System
	nodes    string        // the directory of the nodes
	udev     bool          // udev makes and removes the nodes
	queue    string        // exists while udev has pending events
	udevTime time.Duration // how long to wait for udev
	// The directories of intents and notes are empty after a reboot, like the
	// kernel's list of devices. The notes are in a directory of their own: they
	// are not locked, and would be taken for the intents of dead processes.
	intents, notes string
}

var _ Host = (*Linux)(nil)

// New returns this machine.
func New() *Linux {
	_, err := os.Stat("/run/udev/control")
	run := filepath.Join("/run", devices.OwnerOurs)
	return &Linux{
		nodes:    filepath.Clean(blockdev.MappedNodes),
		udev:     err == nil,
		queue:    "/run/udev/queue",
		udevTime: 10 * time.Second,
		intents:  run,
		notes:    filepath.Join(run, "notes"),
	}
}

// WaitForUdev sets how long to wait for udev to make or remove a node before it
// is done by hand; the default is 10 s. It must not be called while the machine
// is in use.
func (h *Linux) WaitForUdev(longest time.Duration) { h.udevTime = longest }

// NodePath implements Host.
func (h *Linux) NodePath(dev blockdev.DevNo) string { return h.sys.NodePath(dev) }

// Parallel implements Host. The value exceeds the number of processors, since
// calls wait for disks and for udev; the kernel takes most of them one at a
// time.
func (h *Linux) Parallel() int { return 2 * runtime.NumCPU() }

// InFlight implements Host.
func (h *Linux) InFlight(dev blockdev.DevNo) (writes int, counted bool, err error) {
	counted, err = h.sys.Counts(dev, func() error { return h.withNode(dev, readBlock) })
	if err != nil || !counted {
		return 0, false, err
	}
	writes, err = h.sys.InFlight(dev)
	return writes, err == nil, err
}

// readBlock reads the first block of a device past the page cache.
func readBlock(path string) error {
	f, err := blockdev.Open(path)
	if err != nil {
		return err
	}
	direct, err := f.Direct()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = direct.ReadAt(make([]byte, direct.LogicalBlockSize()), 0)
	return errors.Join(err, direct.Close(), f.Close())
}

// Sleep implements Host.
func (h *Linux) Sleep(d time.Duration) { time.Sleep(d) }

// Refresh makes a loop device ask its file for its size.
func (h *Linux) Refresh(dev blockdev.DevNo) error {
	if h.sys.LoopFile(dev) == "" {
		return nil
	}
	return h.withNode(dev, func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.IoctlSetInt(int(f.Fd()), unix.LOOP_SET_CAPACITY, 0)
		return errors.Join(err, f.Close())
	})
}
