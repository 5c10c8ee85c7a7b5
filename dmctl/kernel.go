package dmctl

// The seam to device mapper.

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// kernel is device mapper as plans see it. Each verb has one owner:
//
//	verb           owner          why
//	Version        devmapper.go
//	Create         devmapper.go
//	Remove         devmapper.go
//	Load           wire           any target, PO and feature arguments
//	Suspend        wire           flags; an open control node, no path lookup
//	Resume         wire           udev flags; the same
//	Clear          wire           devmapper.go has none
//	Rename         wire           devmapper.go has none
//	List           wire           event numbers; devmapper.go reads past its record
//	Info           wire           event numbers
//	Table, Status  wire           devmapper.go has none
//	Targets        wire           devmapper.go has none
//	Arm, Poll      wire           devmapper.go has none
//	TryLock        wire           the control node is what all of us have open
//
// Errors unwrap to the kernel's errno. Tests have a kernel in memory that
// keeps device mapper's rules and fails on demand.
type kernel interface {
	Version() (gate.Version, error) // of the ioctl interface
	Targets() ([]wire.TargetVersion, error)
	LoadTarget(target string) (gate.Version, error) // loads its module if need be

	List() ([]wire.Device, error)
	Info(wire.Name) (wire.Info, error)
	Table(name wire.Name, inactive bool) (wire.Info, table.Table, error)
	Status(wire.Name) (wire.Info, []statusLine, error)

	Create(wire.Name, wire.UUID) error
	Load(wire.Name, table.Table) error
	Clear(wire.Name) error
	Suspend(wire.Name, wire.Flags) error
	Resume(wire.Name, wire.Udev) error // puts the inactive table in place, if any
	Rename(from, to wire.Name, udev wire.Udev) error
	Remove(wire.Name) error

	// TryLock keeps other controllers from locking until Unlock or death; it
	// does not wait.
	TryLock() (bool, error)
	Unlock()

	Arm() error
	Poll(milliseconds int) (bool, error)
	Close() error
}

// statusLine is one target's status; what Params says depends on the target.
type statusLine struct {
	Type   string
	Params string
}

// host is the rest of the machine: block devices, their users and their nodes.
type host interface {
	// Disk tells about the block device at path.
	Disk(path string) (disk, error)
	// Users says in words who uses the device: mounts, swap, devices built on it.
	Users(blockdev.DevNo) ([]user, error)
	// Below are all devices that dev is built on: itself, slaves, the disk of
	// a partition, the devices of the file system below a loop file. Where
	// nobody can say, it is refused.
	Below(blockdev.DevNo) ([]blockdev.DevNo, error)
	// Carries says what the device carries: known signatures, or else that
	// not all of its first start bytes are zero.
	Carries(path string, start int64) ([]string, error)
	NodePath(blockdev.DevNo) string

	// Judge verifies the store on an inactive COW device.
	Judge(ctx context.Context, path string, originBytes uint64) (*verify.Report, error)
	// Refresh has a loop device take its file's size; others have their own.
	Refresh(blockdev.DevNo) error

	// Zero opens the device exclusively, writes bytes zeros at its start and
	// flushes.
	Zero(path string, bytes int64) error
	// Flush makes what was written to the device durable.
	Flush(path string) error
	// DropCache forgets what the page cache has of a device.
	DropCache(blockdev.DevNo) error

	// AddNode returns when /dev/mapper/NAME is there and is the device: made
	// by udev, or by hand where there is no udev.
	AddNode(wire.Name, blockdev.DevNo) error
	// Nodes are all nodes of mapped devices in /dev/mapper, whether or not
	// there still is a device. Links are none: udev makes and removes its
	// own, all others are a user's.
	Nodes() map[wire.Name]blockdev.DevNo
	// HasNode says whether /dev/mapper/NAME is there and is the device.
	HasNode(wire.Name, blockdev.DevNo) bool
	// NodeFree is nil if AddNode can have /dev/mapper/NAME: nothing is there,
	// or a mapped device's node that was left behind.
	NodeFree(wire.Name) error
	// RemoveNode returns when no device's node is at /dev/mapper/NAME.
	RemoveNode(wire.Name) error

	// LockMemory keeps this process from page faults until unlock is called.
	LockMemory() (unlock func(), err error)
	// Guard starts a process that stands by while devices are suspended, until
	// release is called. When this process dies before that, it resumes inUse at
	// once, and then runs Recover; when one of inUse stays suspended for too
	// long, it resumes them too, and release returns ErrPauseTooLong.
	Guard(inUse []blockdev.DevNo) (release func() error, err error)
}

// disk is what a plan needs to know of a block device.
type disk struct {
	Path     string
	Dev      blockdev.DevNo
	Bytes    int64
	Block    int // logical block size in bytes
	ReadOnly bool
}

// user is one user of a device.
type user struct {
	What   string // in words: "mounted at /srv"
	Holder blockdev.DevNo
}
