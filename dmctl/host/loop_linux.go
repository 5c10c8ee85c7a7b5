package host

// Loop devices. A device is found, configured and queried through one handle.
// The handle stays open until somebody else has the device open: the device
// clears itself at its last close.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const (
	loopMajor = 7 // LOOP_MAJOR of include/uapi/linux/major.h
	// loopTries limits how often another process may take the free loop device
	// that the kernel offered us.
	loopTries = 100
	loopPause = 5 * time.Millisecond
	// lockTime limits the wait for another process that puts a loop device on
	// the same base.
	lockTime = 30 * time.Second
)

// loops is the interface to the loop driver, so that lost races can be tested.
type loops interface {
	// free returns the number of an unused loop device.
	free() (number int, err error)
	// open opens a loop device; configure puts it on a file. It returns EBUSY
	// if the device is already on one.
	open(number int, readOnly bool) (*os.File, error)
	configure(loop *os.File, config *unix.LoopConfig) error
}

// freeMutex keeps the goroutines of a process from racing for the same device.
var freeMutex sync.Mutex

// attach puts a free loop device on an open file.
func attach(l loops, file *os.File, name string, readOnly bool) (*os.File, error) {
	freeMutex.Lock()
	defer freeMutex.Unlock()
	for try := 1; ; try++ {
		loop, err := attachOnce(l, file, name, readOnly)
		if err == nil {
			return loop, nil
		}
		// EBUSY: somebody took it; ENXIO: somebody removed it.
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENXIO) || try == loopTries {
			return nil, err
		}
		time.Sleep(loopPause)
	}
}

func attachOnce(l loops, file *os.File, name string, readOnly bool) (*os.File, error) {
	number, err := l.free()
	if err != nil {
		return nil, noLoop(err)
	}
	loop, err := l.open(number, readOnly)
	if err != nil {
		return nil, fmt.Errorf("open loop device %d: %w", number, err)
	}
	config := &unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], name)
	if readOnly {
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	} else {
		// A base should use the page cache that all clones share, a store
		// should not. The kernel ignores the flag if the file system does not
		// support it (drivers/block/loop.c: __loop_update_dio).
		config.Info.Flags |= unix.LO_FLAGS_DIRECT_IO
	}
	err = l.configure(loop, config)
	if errors.Is(err, unix.EINVAL) && !readOnly { // a kernel that wants to be asked for less
		config.Info.Flags &^= unix.LO_FLAGS_DIRECT_IO
		err = l.configure(loop, config)
	}
	if err != nil {
		_ = loop.Close() // nothing is on it
		return nil, fmt.Errorf("put loop device %d on %s: %w", number, name, err)
	}
	return loop, nil
}

// noLoop explains why there is no free loop device.
func noLoop(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return devices.RefuseFor(ErrNoLoop, "no loop device available: the kernel has not loaded the driver")
	case errors.Is(err, fs.ErrPermission):
		return devices.RefuseFor(devices.ErrPermission, "no loop device available: %v", err)
	}
	return devices.RefuseFor(ErrNoLoop, "no loop device available: all are in use (%v)", err)
}

// driver is the kernel's.
type driver struct{ h *Linux }

func (d driver) free() (int, error) {
	// Package os would also prepare to wait for it, which takes longer than the
	// call itself.
	const path = "/dev/loop-control"
	control, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(control)
	return unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
}

func (d driver) open(number int, readOnly bool) (f *os.File, err error) {
	flags := os.O_RDWR
	if readOnly {
		flags = os.O_RDONLY
	}
	return d.h.openDevice(fmt.Sprintf("/dev/loop%d", number), blockdev.DevNo{Major: loopMajor, Minor: uint32(number)}, flags)
}

// openDevice opens a device through the node that is usually at path, or
// through a new one.
func (h *Linux) openDevice(path string, dev blockdev.DevNo, flags int) (*os.File, error) {
	f, err := openNode(path, dev, flags)
	if err == nil {
		return f, nil
	}
	err = h.withNode(dev, func(path string) error {
		f, err = openNode(path, dev, flags)
		return err
	})
	return f, err
}

func (d driver) configure(loop *os.File, config *unix.LoopConfig) error {
	return unix.IoctlLoopConfigure(int(loop.Fd()), config)
}

// ofLoop returns a Disk of an open loop device. All that sysfs would say about it
// is known.
func (h *Linux) ofLoop(loop *os.File, number uint32, readOnly bool) (Disk, error) {
	f, err := blockdev.Open(fmt.Sprintf("/proc/self/fd/%d", loop.Fd()))
	if err := errors.Join(err, loop.Close()); err != nil {
		return nil, err
	}
	return &disk{File: f, name: fmt.Sprintf("/dev/loop%d", number), readOnly: readOnly}, nil
}

// onFile puts a new loop device on an open file.
func (h *Linux) onFile(file *os.File, readOnly bool) (Disk, error) {
	loop, err := attach(driver{h}, file, file.Name(), readOnly)
	if err != nil {
		return nil, err
	}
	info, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask the loop device on %s what it is on: %w", file.Name(), err), loop.Close())
	}
	return h.ofLoop(loop, info.Number, info.Flags&unix.LO_FLAGS_READ_ONLY != 0)
}

// OpenBase implements Files.
func (h *Linux) OpenBase(path string) (Disk, error) {
	file, isFile, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	if !isFile {
		return h.Open(path)
	}
	defer file.Close()
	if err := checkSectors(file); err != nil {
		return nil, err
	}
	unlock, err := lockFile(file, lockTime)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := h.sharedLoop(file)
	if d == nil && err == nil {
		d, err = h.onFile(file, true)
	}
	if err != nil {
		return nil, err
	}
	if err := checkSame(file, d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// checkSectors refuses a file that is not a whole number of sectors: a loop
// device would hide its end.
func checkSectors(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := cow.CheckDeviceBytes(info.Size()); err != nil {
		return devices.Refuse("%s has %s, %v", file.Name(), count.Of(info.Size(), "byte"), err)
	}
	return nil
}

// checkSame refuses a file whose size has changed since its loop device was
// attached.
func checkSame(file *os.File, d Disk) error {
	info, err := file.Stat()
	if err == nil && info.Size() != d.Bytes() {
		err = devices.Refuse("%s has %s, but had %d when %s, which is in use, was put on it", file.Name(), count.Of(info.Size(), "byte"), d.Bytes(), d.Path())
	}
	return err
}

// lockFile keeps others from looking for a loop device on a file until unlock
// is called; it waits for them as long as patience. It locks through a separate open file description, because the
// loop device keeps the one that it is configured with.
func lockFile(file *os.File, patience time.Duration) (unlock func(), err error) {
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(loopPause) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), f.Close())
		case time.Now().After(end):
			return nil, errors.Join(devices.Busy("%s has been locked by another program for %v", file.Name(), patience), f.Close())
		}
	}
}

// sharedLoop looks for a read-only loop device on the whole of a file; it
// returns nil if there is none. It does not open writable loop devices: one
// that is about to clear itself would have to wait.
func (h *Linux) sharedLoop(file *os.File) (Disk, error) {
	id, err := idOf(file)
	if err != nil {
		return nil, err
	}
	for _, number := range h.loopNumbers() {
		if !h.sys.IsReadOnly(blockdev.DevNo{Major: loopMajor, Minor: number}) {
			continue
		}
		loop, err := (driver{h}).open(int(number), true)
		if err != nil {
			continue // it has just gone
		}
		info, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
		const readOnly = unix.LO_FLAGS_READ_ONLY
		if err != nil || (FileID{devNo(info.Device), info.Inode}) != id || info.Offset != 0 || info.Sizelimit != 0 || info.Flags&readOnly == 0 {
			_ = loop.Close()
			continue
		}
		return h.ofLoop(loop, number, true)
	}
	return nil, nil
}

// loopNumbers returns the numbers of the existing loop devices, the oldest
// first.
func (h *Linux) loopNumbers() []uint32 {
	entries, _ := os.ReadDir("/sys/block")
	var out []uint32
	for _, e := range entries {
		if digits, is := strings.CutPrefix(e.Name(), "loop"); is {
			if n, err := strconv.ParseUint(digits, 10, 20); err == nil {
				out = append(out, uint32(n))
			}
		}
	}
	slices.Sort(out)
	return out
}

// OpenStore implements Files.
func (h *Linux) OpenStore(path string) (Disk, error) {
	file, isFile, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	if !isFile {
		return h.Open(path)
	}
	defer file.Close()
	if err := checkSectors(file); err != nil {
		return nil, err
	}
	if written, err := isWritten(file); err != nil || written {
		return nil, errors.Join(err, devices.Busy("%s is open for writing by a program, or a writable loop device uses it", path))
	}
	return h.onFileAgain(file)
}

// onFileAgain puts a loop device on the file itself, even if its path now leads
// elsewhere.
func (h *Linux) onFileAgain(file *os.File) (Disk, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: file.Name(), Err: err}
	}
	writable := os.NewFile(uintptr(fd), file.Name())
	d, err := h.onFile(writable, false)
	return d, errors.Join(err, writable.Close())
}

// NewStore implements Files.
func (h *Linux) NewStore(path string, bytes int64) (Disk, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	d, err := h.onNew(file, bytes)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return d, nil
}

func (h *Linux) onNew(file *os.File, bytes int64) (Disk, error) {
	defer file.Close() // the loop device has it
	if err := file.Truncate(bytes); err != nil {
		return nil, err
	}
	return h.onFile(file, false)
}

// NewScratch implements Files.
func (h *Linux) NewScratch(dir string, bytes int64) (Disk, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return h.onNew(os.NewFile(uintptr(fd), dir), bytes)
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, &fs.PathError{Op: "make a file in", Path: dir, Err: err}
	}
	file, err := os.CreateTemp(dir, ".scratch-*") // the file system does not support unnamed files
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return h.onNew(file, bytes)
}

// GrowFile implements Files. The file is the one that the driver reports, by
// device and inode, not just one with its path.
func (h *Linux) GrowFile(dev blockdev.DevNo, bytes int64) error {
	path := h.sys.LoopFile(dev)
	loop, err := (driver{h}).open(int(dev.Minor), true)
	if err != nil {
		return err
	}
	info, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
	if err := errors.Join(err, loop.Close()); err != nil {
		return fmt.Errorf("ask %s which file it is on: %w", h.sys.NodePath(dev), err)
	}
	if info.Offset != 0 || info.Sizelimit != 0 {
		return devices.Refuse("%s is on a part of %s only", h.sys.NodePath(dev), path)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	err = growTo(file, FileID{devNo(info.Device), info.Inode}, bytes)
	return errors.Join(err, file.Close())
}

// growTo makes a file longer if it is the one with id, and never shorter.
func growTo(file *os.File, id FileID, bytes int64) error {
	now, err := idOf(file)
	if err != nil {
		return err
	}
	if now != id {
		return devices.Refuse("%s is now another file than the one in use", file.Name())
	}
	info, err := file.Stat()
	if err != nil || info.Size() >= bytes {
		return err
	}
	if err := file.Truncate(bytes); err != nil {
		return err
	}
	return file.Sync()
}
