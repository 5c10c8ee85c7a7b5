// Package host is the machine beside device mapper: block devices as open
// handles, who uses them and what they lie on, their nodes, and this process's
// own memory.
//
// A device is opened once and is known by its number from then on: what is
// checked, zeroed, flushed and judged goes through one handle, wherever its
// path leads by then. The package knows no snapshot, no table and no plan.
//
// From the top down: loop, files, disk, mount, machine, below, host, intent,
// memory, nodes, users, file, lvm.
package host

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// ErrPlainFile says that a block device was wanted and a file was named.
var ErrPlainFile = errors.New("a plain file")

// Host is the machine as plans see it. Package dmtest has one in memory.
type Host interface {
	Files

	// Open opens the block device at path for good: see Disk.
	Open(path string) (Disk, error)
	// OpenDev is Open by number, whether or not the device has a node.
	OpenDev(blockdev.DevNo) (Disk, error)

	// Users says in words who uses the device: mounts, swap, devices built on it.
	Users(blockdev.DevNo) ([]User, error)
	// Below are all devices that dev is built on: itself, slaves, the disk of
	// a partition, the devices of the file system below a loop file. Where
	// nobody can say, the error wraps devices.ErrForce.
	Below(blockdev.DevNo) ([]blockdev.DevNo, error)
	// InFlight is how many writes to the device have begun and not completed;
	// counted is false where the kernel does not count them.
	InFlight(blockdev.DevNo) (writes int, counted bool, err error)
	// NodePath is the path of the device's node, for people.
	NodePath(blockdev.DevNo) string
	// Refresh has a loop device take its file's size; others have their own.
	Refresh(blockdev.DevNo) error

	// AddNode returns when /dev/mapper/NAME is there and is the device: made
	// by udev, or by hand where there is no udev.
	AddNode(devices.Name, blockdev.DevNo) error
	// Nodes are all nodes of mapped devices in /dev/mapper, whether or not
	// there still is a device. Links are none: udev makes and removes its
	// own, all others are a user's.
	Nodes() map[devices.Name]blockdev.DevNo
	// HasNode says whether /dev/mapper/NAME is there and is the device.
	HasNode(devices.Name, blockdev.DevNo) bool
	// NodeFree is nil if AddNode can have /dev/mapper/NAME: nothing is there,
	// or a mapped device's node that was left behind, and nodes can be made.
	NodeFree(devices.Name) error
	// RemoveNode returns when no device's node is at /dev/mapper/NAME.
	RemoveNode(devices.Name) error

	// Mount mounts the file system of a kind on dev at dir, read-only.
	Mount(dev blockdev.DevNo, kind, dir string) error
	// Unmount returns when dev is not mounted at dir. Where a program stays in
	// it for seconds, the error wraps devices.ErrBusy.
	Unmount(dev blockdev.DevNo, dir string) error
	// MountedAt says whether something is mounted at dir, an absolute path.
	MountedAt(dir string) (bool, error)

	// Intend writes down what this process has to clear up, until end is
	// called. When the process dies before that, Forsaken tells of it, until
	// Forget. None of that outlasts the machine's run.
	Intend(name string, text []byte) (end func() error, err error)
	Forsaken() (map[string][]byte, error)
	Forget(name string) error

	// LVM runs one of LVM's commands. An error has what that said.
	LVM(args ...string) error

	// Parallel is how many calls at once are worth while; 1 where calls must
	// not run at once.
	Parallel() int

	// LockMemory keeps this process from page faults until unlock is called.
	LockMemory() (unlock func(), err error)
	Sleep(time.Duration)
}

// Disk is an open block device. While it is open its number stands for this
// device and no other one.
type Disk interface {
	Path() string // by which it was opened: for people, never to be opened again
	Dev() blockdev.DevNo
	Bytes() int64 // its size when it was opened
	Block() int   // its logical block size in bytes
	ReadOnly() bool

	// Claim takes the device exclusively until Release or Close: nobody mounts
	// it or builds on it. The kernel's own claim, by which a table takes the
	// device, has to wait as well. Claiming twice is claiming once.
	Claim() error
	Release()

	// Signatures are the kinds of the known signatures on the device. Where
	// only the common ones could be looked for, common is true.
	Signatures() (kinds []string, common bool, err error)
	// Content reads the device past the page cache.
	Content() (Content, error)
	// Writer writes to the device, which has to be claimed before.
	Writer() (Writer, error)
	// Zero writes so many zeros at the start of the device, which is claimed
	// for that, and flushes.
	Zero(bytes int64) error
	// Flush makes what was written to the device durable.
	Flush() error
	// DropCache forgets what the page cache has of the device.
	DropCache() error
	Close() error
}

// Content is what an open device holds.
type Content interface {
	io.ReaderAt
	Size() int64 // bytes
	Close() error
}

// Writer writes to a claimed device. What was written is durable, and the page
// cache has nothing of it any more, when Flush has returned.
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
