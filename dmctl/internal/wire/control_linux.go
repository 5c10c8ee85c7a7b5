package wire

// The control node: one open file for all calls, so that no call looks up a
// path while the root file system may be suspended.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Control is the open control node. Its methods may be called concurrently.
type Control struct {
	f     *os.File
	queue queue
}

// OpenControl opens the control node. Errors unwrap to the error from open.
func OpenControl() (*Control, error) {
	fd, err := unix.Open(ControlNode, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: ControlNode, Err: err}
	}
	f := os.NewFile(uintptr(fd), ControlNode)
	return &Control{f: f, queue: queue{f: f}}, nil
}

// Close closes the control node.
func (c *Control) Close() error { return c.f.Close() }

// AwaitLock takes an advisory lock on the control node, which device mapper
// itself ignores. It waits in a queue until ctx ends; then it returns false and
// keeps its place in the queue for the next AwaitLock.
func (c *Control) AwaitLock(ctx context.Context) (bool, error) { return c.queue.await(ctx) }

// Unlock ends AwaitLock, whether or not it got the lock.
func (c *Control) Unlock() { c.queue.unlock() }

// Advance changes the result of Advanced for everyone who has the control node
// open.
func (c *Control) Advance() { c.queue.advance() }

// Advanced returns the time of the last Advance.
func (c *Control) Advanced() time.Time { return c.queue.advanced() }

// The room first offered for an answer, in bytes. Most answers fit.
const (
	firstAnswer = 16 << 10 // a list
	tableAnswer = 2 << 10  // a table or status
)

var eventsListed = gate.Version{Major: 4, Minor: 37}

// call runs one ioctl and decodes its answer. If the kernel says that the
// answer did not fit, call tries again with more room, up to maxAnswer.
func (c *Control) call(cmd uintptr, r request) (Info, []byte, error) {
	for {
		buf := r.encode()
		if err := c.ioctl(cmd, buf); err != nil {
			return Info{}, nil, err
		}
		info, payload, err := decode(buf)
		if err != nil || info.Flags&devices.FlagBufferFull == 0 {
			return info, payload, err
		}
		if r.answer >= maxAnswer {
			return Info{}, nil, fmt.Errorf("device mapper's answer is longer than %d bytes", maxAnswer)
		}
		r.answer = max(firstAnswer, r.answer*4)
	}
}

// ioctl runs one ioctl, without signals if it waits for I/O: a signal that ends
// the wait before a swap of tables makes the kernel drop the new table
// (drivers/md/dm-ioctl.c: do_resume), and the Go runtime sends itself signals.
func (c *Control) ioctl(cmd uintptr, buf []byte) error {
	if cmd != unix.DM_DEV_SUSPEND && cmd != unix.DM_DEV_REMOVE {
		return c.bareIoctl(cmd, buf)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return fmt.Errorf("block signals: %w", err)
	}
	err := c.bareIoctl(cmd, buf)
	if restore := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); restore != nil {
		return errors.Join(err, fmt.Errorf("unblock signals: %w", restore))
	}
	return err
}

// bareIoctl is the only unsafe call in this package. buf is at least headerSize
// long and contains its own length (see request.encode).
func (c *Control) bareIoctl(cmd uintptr, buf []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, c.f.Fd(), cmd, uintptr(unsafe.Pointer(unsafe.SliceData(buf))))
	runtime.KeepAlive(buf)
	if errno != 0 {
		return errno
	}
	return nil
}

// List returns all devices.
func (c *Control) List() ([]Listed, error) {
	info, payload, err := c.call(unix.DM_LIST_DEVICES, request{answer: firstAnswer})
	if err != nil {
		return nil, err
	}
	return decodeDevices(payload, info.Kernel.AtLeast(eventsListed))
}

// Targets returns the targets that the kernel has loaded, and their versions.
func (c *Control) Targets() ([]TargetVersion, error) {
	_, payload, err := c.call(unix.DM_LIST_VERSIONS, request{answer: firstAnswer})
	if err != nil {
		return nil, err
	}
	return decodeVersions(payload)
}

// TargetVersion returns one target's version. The kernel loads the target's
// module first if it can (drivers/md/dm-ioctl.c: get_target_version). Before
// ioctl version 4.41 the error is ENOTTY.
func (c *Control) TargetVersion(target string) (gate.Version, error) {
	name, err := devices.ParseName(target)
	if err != nil {
		return gate.Version{}, err
	}
	_, payload, err := c.call(unix.DM_GET_TARGET_VERSION, request{name: name, answer: firstAnswer})
	if err != nil {
		return gate.Version{}, err
	}
	versions, err := decodeVersions(payload)
	if err != nil {
		return gate.Version{}, err
	}
	for _, v := range versions {
		if v.Name == target {
			return v.Version, nil
		}
	}
	return gate.Version{}, unix.EINVAL
}

// Info describes a device by name; ENXIO if there is none.
func (c *Control) Info(name Name) (Info, error) {
	info, _, err := c.call(unix.DM_DEV_STATUS, request{name: name})
	return info, err
}

// InfoByUUID is Info by UUID.
func (c *Control) InfoByUUID(uuid UUID) (Info, error) {
	info, _, err := c.call(unix.DM_DEV_STATUS, request{uuid: uuid})
	return info, err
}

// Load puts a table into the device's inactive slot.
func (c *Control) Load(name Name, targets []Target, readOnly bool) error {
	payload, err := encodeTargets(targets)
	if err != nil {
		return err
	}
	r := request{name: name, targets: uint32(len(targets)), payload: payload}
	if readOnly {
		r.flags |= devices.FlagReadOnly
	}
	_, _, err = c.call(unix.DM_TABLE_LOAD, r)
	return err
}

// Clear empties the inactive slot.
func (c *Control) Clear(name Name) error {
	_, _, err := c.call(unix.DM_TABLE_CLEAR, request{name: name})
	return err
}

// Suspend holds I/O to the device. It first finishes what is in flight, unless
// flags include FlagNoFlush, and freezes a file system on it, unless flags
// include FlagSkipLockFS.
func (c *Control) Suspend(name Name, flags Flags) error {
	flags = flags&(devices.FlagNoFlush|devices.FlagSkipLockFS) | devices.FlagSuspend
	_, _, err := c.call(unix.DM_DEV_SUSPEND, request{name: name, flags: flags})
	return err
}

// Resume makes the inactive table live, if there is one, and lets I/O to the
// device continue. To swap the table of a device that is not suspended, the
// kernel suspends it within the same call, with flags as in Suspend.
func (c *Control) Resume(name Name, flags Flags, udev Udev) (Info, error) {
	r := request{name: name, flags: flags & (devices.FlagNoFlush | devices.FlagSkipLockFS), eventNr: uint32(udev) << udevShift}
	info, _, err := c.call(unix.DM_DEV_SUSPEND, r)
	return info, err
}

// RemoveDeferred removes the device when its last user closes it (needs ioctl
// version 4.27).
func (c *Control) RemoveDeferred(name Name) error {
	r := request{name: name, flags: devices.FlagDeferredRemove, eventNr: uint32(devices.UdevPrimary) << udevShift}
	_, _, err := c.call(unix.DM_DEV_REMOVE, r)
	return err
}

// Rename gives the device another name.
func (c *Control) Rename(from, to Name, udev Udev) error {
	r := request{name: from, payload: encodeRename(to.String()), eventNr: uint32(udev) << udevShift}
	_, _, err := c.call(unix.DM_DEV_RENAME, r)
	return err
}

// Status returns the status lines of the live table, or of the inactive one. It
// does not flush first.
func (c *Control) Status(name Name, inactive bool) (Info, []Target, error) {
	info, payload, err := c.call(unix.DM_TABLE_STATUS, request{name: name, flags: devices.FlagNoFlush | slot(inactive), answer: tableAnswer})
	if err != nil {
		return Info{}, nil, err
	}
	targets, err := decodeTargets(payload, info.Targets)
	return info, targets, err
}

// slot returns the flag that selects the inactive table.
func slot(inactive bool) Flags {
	if inactive {
		return devices.FlagQueryInactive
	}
	return 0
}

// Deps returns the devices that the live table uses.
func (c *Control) Deps(name Name) ([]blockdev.DevNo, error) {
	_, payload, err := c.call(unix.DM_TABLE_DEPS, request{name: name, answer: firstAnswer})
	if err != nil {
		return nil, err
	}
	return decodeDeps(payload)
}

// Message sends text to the target of the live table that maps sector.
func (c *Control) Message(name Name, sector uint64, text string) error {
	payload, err := encodeMessage(sector, text)
	if err != nil {
		return err
	}
	_, _, err = c.call(unix.DM_TARGET_MSG, request{name: name, payload: payload, answer: firstAnswer})
	return err
}

// Arm makes the next Poll wait for events after this call.
func (c *Control) Arm() error {
	_, _, err := c.call(unix.DM_DEV_ARM_POLL, request{})
	if errors.Is(err, unix.ENOTTY) {
		return devices.ErrNoPoll
	}
	return err
}

// Poll waits at most milliseconds for an event of any device since Arm.
func (c *Control) Poll(milliseconds int) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(c.f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, milliseconds)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
