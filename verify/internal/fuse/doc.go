// Package fuse shows generated images as files in a directory, through the
// kernel's FUSE. A mount shows either one file for its whole life, or any
// number of files that come and go. The content is any io.ReaderAt. It is read
// only when somebody reads the file. Writes are refused, or kept in a separate
// unnamed file, so that what the image is made from never changes.
//
// The package knows nothing of stores. It must not open its own mount: a
// process that waits for an answer from itself can hang.
package fuse

// From the top down: mount (mounting and unmounting, Linux only), node (the kernel's
// requests), private (writes).

import (
	"errors"
	"io"
)

// ErrUnsupported is returned if the system has no FUSE that this package can
// use.
var ErrUnsupported = errors.New("no FUSE on this system")

// File is the file in a mount.
type File struct {
	Name    string      // within the directory
	Content io.ReaderAt // called by several goroutines at once
	Size    int64       // bytes
	// Writable lets readers write. All readers of the file see what they
	// write. It never reaches Content, and is lost when the file is removed.
	Writable bool
	// SpillDir is the directory for written blocks; "" means the system's
	// directory for temporary files.
	SpillDir string
	// OnError, if not nil, is called for each read or write that failed, by
	// several goroutines. The reader gets EIO.
	OnError func(error)
}
