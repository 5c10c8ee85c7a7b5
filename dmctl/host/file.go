package host

// Files in the place of block devices.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// ErrNoLoop says that this kernel gives no loop device: its module is not
// loaded, or all loop devices are taken.
var ErrNoLoop = errors.New("no loop device to be had")

// Files are files that stand for block devices, by loop devices. Each loop
// device clears itself when its last user closes it: the Disk, and the tables
// that were loaded meanwhile. So nothing is left of a process that dies.
type Files interface {
	// OpenBase is Open for a device that many share and nobody writes to. A
	// file gets one read-only loop device for all of them: that which the
	// kernel says is on this file, by device and inode, or else a new one.
	OpenBase(path string) (Disk, error)
	// OpenStore is Open for a device that is written to by one user. A file
	// gets a loop device of its own; one that is open for writing elsewhere is
	// refused with an error that wraps devices.ErrBusy.
	OpenStore(path string) (Disk, error)
	// NewStore makes an empty file of so many bytes, all of them a hole, with
	// a loop device on it. Nothing may be at path. Where the loop device cannot
	// be had, the file is deleted again.
	NewStore(path string, bytes int64) (Disk, error)
	// NewScratch is NewStore of a file in dir that has no name and goes with
	// its last user.
	NewScratch(dir string, bytes int64) (Disk, error)

	// FileOf is the path of the file that a loop device is on, "" for other
	// devices and loop devices on none. That of a deleted file ends in Deleted.
	FileOf(blockdev.DevNo) string
	// FileID tells a file from all others by more than its name.
	FileID(path string) (FileID, error)
	// Written says whether somebody has a file open for writing.
	Written(path string) (bool, error)
	// Exists says whether anything has this name.
	Exists(path string) (bool, error)

	// DeleteFile deletes a file if it is that of id; the zero FileID is any.
	// One that is not there is as good as deleted.
	DeleteFile(path string, id FileID) error
	// RenameFile gives a file another name: one that nothing has, or that of a
	// file that is to be replaced.
	RenameFile(from, to string, replace bool) error
	// SyncDir makes the names of a directory's files durable.
	SyncDir(dir string) error
	// ListDir names the plain files of a directory.
	ListDir(dir string) ([]string, error)

	// WriteNote keeps a text by a name beyond this process's death, but not
	// beyond the machine's; Notes are all there are, DropNote deletes one.
	WriteNote(name string, text []byte) error
	Notes() (map[string][]byte, error)
	DropNote(name string) error
}

// FileID is a file's device and inode.
type FileID struct {
	Dev   blockdev.DevNo
	Inode uint64
}

// Deleted ends the path of a file that has no name any more.
const Deleted = " (deleted)"
