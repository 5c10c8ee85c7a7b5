package host

// Files used as block devices.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// ErrNoLoop says that the kernel offers no loop device: the module is not
// loaded, or all loop devices are in use.
var ErrNoLoop = errors.New("no loop device available")

// Files uses files as block devices, through loop devices. Each loop device
// clears itself when its last user closes it: the Disk and the tables loaded
// meanwhile. So a process that dies leaves none behind.
type Files interface {
	// OpenBase is Open for a device that many share and nobody writes to. A
	// file gets one read-only loop device for all users: the one that the
	// kernel reports for this file, by device and inode, or a new one.
	OpenBase(path string) (Disk, error)
	// OpenStore is Open for a device with one writer. A file gets its own loop
	// device. If the file is open for writing elsewhere, the error wraps
	// devices.ErrBusy.
	OpenStore(path string) (Disk, error)
	// NewStore makes a sparse file of the given size in bytes, with a loop
	// device on it. Nothing may exist at path. If there is no loop device, the
	// file is deleted again.
	NewStore(path string, bytes int64) (Disk, error)
	// NewScratch is NewStore for an unnamed file in dir, which goes away with
	// its last user.
	NewScratch(dir string, bytes int64) (Disk, error)

	// GrowFile makes the file of a loop device at least as long as given, in
	// bytes, durably. Refresh makes the device adopt the new size.
	GrowFile(loop blockdev.DevNo, bytes int64) error

	// FileOf returns the path of a loop device's file, "" for other devices and
	// unused loop devices. The path of a deleted file ends in Deleted.
	FileOf(blockdev.DevNo) string
	// FileID identifies a file by more than its name.
	FileID(path string) (FileID, error)
	// Written reports whether somebody has a file open for writing.
	Written(path string) (bool, error)
	// Exists reports whether anything has this name.
	Exists(path string) (bool, error)

	// DeleteFile deletes a file if it is the one with id; the zero FileID
	// matches any. A missing file is not an error.
	DeleteFile(path string, id FileID) error
	// RenameFile renames a file. Without replace, nothing may have the new
	// name.
	RenameFile(from, to string, replace bool) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// ListDir returns the names of the plain files in a directory.
	ListDir(dir string) ([]string, error)

	// WriteNote keeps a text under a name until the machine stops, even if this
	// process dies. Notes returns all notes; DropNote deletes one.
	WriteNote(name string, text []byte) error
	Notes() (map[string][]byte, error)
	DropNote(name string) error
}

// FileID is a file's device and inode.
type FileID struct {
	Dev   blockdev.DevNo
	Inode uint64
}

// Deleted ends the path of a file that no longer has a name.
const Deleted = " (deleted)"
