// Package host is the machine besides device mapper: block devices as open
// handles, their users, the devices below them, their nodes, and this process's
// own memory.
//
// A device is opened once and is known by its number from then on. It is
// checked, zeroed, flushed and judged through one handle, even if its path
// leads elsewhere by then. The package knows nothing of snapshots, tables and
// plans.
package host

// From the top down: loop, files, disk, mount, machine, programs, below, host,
// intent, memory, nodes, momentary, users, file, lvm.

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// ErrPlainFile says that a plain file was named in place of a block device.
var ErrPlainFile = errors.New("a plain file")

// Host is the machine as plans see it. Package dmtest has an in-memory one.
type Host interface {
	Files

	// Open opens the block device at path; the path is not used again: see
	// Disk.
	Open(path string) (Disk, error)
	// OpenDev is Open by number. The device needs no node.
	OpenDev(blockdev.DevNo) (Disk, error)

	// Users describes the users of a device: mounts, swap, devices built on it.
	Users(blockdev.DevNo) ([]User, error)
	// UsersOf is Users for many devices. Its work for each of them does not grow
	// with the machine's mounts.
	UsersOf([]blockdev.DevNo) (map[blockdev.DevNo][]User, error)
	// Programs names the programs that have a device open, as far as this process
	// may know, but not this one: "qemu (process 4711)".
	Programs(blockdev.DevNo) []string
	// Below returns all devices that dev is built on: itself, slaves, the disk
	// of a partition, the devices of the file system below a loop file. If they
	// are unknown, the error wraps devices.ErrForce.
	Below(blockdev.DevNo) ([]blockdev.DevNo, error)
	// InFlight returns the number of writes to the device that have begun and
	// not completed; counted is false if the kernel does not count them.
	InFlight(blockdev.DevNo) (writes int, counted bool, err error)
	// NodePath returns the path of the device's node, for people.
	NodePath(blockdev.DevNo) string
	// Refresh makes a loop device adopt its file's size. Other devices have
	// fixed sizes.
	Refresh(blockdev.DevNo) error

	// AddNode returns when /dev/mapper/NAME exists and is the device: made by
	// udev, or by hand without udev.
	AddNode(devices.Name, blockdev.DevNo) error
	// Nodes returns all nodes of mapped devices in /dev/mapper, even if the
	// device is gone. It ignores links: udev makes and removes its own, all
	// others are a user's. It ignores LeftNodes, too.
	Nodes() map[devices.Name]blockdev.DevNo
	// LeftNodes returns the nodes by which killed processes were to open a
	// device by its number.
	LeftNodes() []devices.Name
	// HasNode reports whether /dev/mapper/NAME exists and is the device.
	HasNode(devices.Name, blockdev.DevNo) bool
	// NodesFree returns nil if AddNode can make these nodes in /dev/mapper: nodes
	// can be made, and nothing has one of the names but perhaps a stale node of a
	// mapped device.
	NodesFree(...devices.Name) error
	// RemoveNode returns when /dev/mapper/NAME is not the node of any device.
	RemoveNode(devices.Name) error

	// Mount mounts the file system on dev, of the given kind, at dir,
	// read-only.
	Mount(dev blockdev.DevNo, kind, dir string) error
	// Unmount returns when dev is not mounted at dir. If a program keeps using
	// it for seconds, the error wraps devices.ErrBusy.
	Unmount(dev blockdev.DevNo, dir string) error
	// MountedAt reports whether something is mounted at dir, an absolute path.
	MountedAt(dir string) (bool, error)

	// Intend writes down what this process has to clean up, until end is
	// called. If the process dies first, Forsaken returns the text until
	// Forget. Nothing survives a reboot.
	Intend(name string, text []byte) (end func() error, err error)
	Forsaken() (map[string][]byte, error)
	Forget(name string) error

	// LVM runs one of LVM's commands. An error contains the command's output.
	LVM(args ...string) error

	// Parallel returns how many calls are worth making at once; 1 if calls must
	// not overlap.
	Parallel() int

	// LockMemory keeps this process from page faults until unlock is called.
	LockMemory() (unlock func(), err error)
	Sleep(time.Duration)
}

// Disk is an open block device. While it is open, its number always means this
// device.
type Disk interface {
	Path() string // the path it was opened by: for people, never to be opened again
	Dev() blockdev.DevNo
	Bytes() int64 // its size when it was opened
	Block() int   // its logical block size in bytes
	ReadOnly() bool

	// Claim takes the device exclusively until Release or Close: nobody can
	// mount it or build on it. A table's claim in the kernel must wait as well.
	// A second Claim has no effect.
	Claim() error
	Release()

	// Signatures returns the kinds of known signatures on the device. common is
	// true if only the common ones could be searched for.
	Signatures() (kinds []string, common bool, err error)
	// Content reads the device past the page cache.
	Content() (Content, error)
	// Writer writes to the device, which must be claimed.
	Writer() (Writer, error)
	// Zero writes the given number of zero bytes at the start of the device,
	// which must be claimed, and flushes.
	Zero(bytes int64) error
	// Flush makes the data written to the device durable.
	Flush() error
	// DropCache drops the device's page cache.
	DropCache() error
	Close() error
}

// Content is the content of an open device.
type Content interface {
	io.ReaderAt
	Size() int64 // bytes
	Close() error
}

// Writer writes to a claimed device. When Flush has returned, the data is
// durable and no longer in the page cache.
type Writer interface {
	io.WriterAt
	Flush() error
	Close() error
}

// User is one user of a device.
type User struct {
	What   string // in words: "mounted at /srv"
	Holder blockdev.DevNo
}

// InWords lists users.
func InWords(users []User) string {
	words := make([]string, len(users))
	for i, u := range users {
		words[i] = u.What
	}
	return strings.Join(words, ", ")
}
