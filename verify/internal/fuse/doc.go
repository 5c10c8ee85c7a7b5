// Package fuse shows generated images as files in a directory, through the
// kernel's FUSE: one for the whole of a mount, or any number that come and go. The content is any io.ReaderAt; it is read only where somebody
// reads the file. Writes are refused, or kept apart in a file without a name,
// so that what the image is made of never changes.
//
// The package knows nothing of stores. It must not open its own mount: a
// process that waits for an answer from itself can wait for ever.
//
// Files: mount.go (mounting and its end, Linux only) calls node.go (the
// kernel's requests), which calls private.go (writes).
//
// From the top down: mount, node, private.
package fuse

import (
	"errors"
	"io"
)

// ErrUnsupported is returned where the system has no FUSE that this package
// can use.
var ErrUnsupported = errors.New("no FUSE on this system")

// File is the file in a mount.
type File struct {
	Name    string      // within the directory
	Content io.ReaderAt // read by several goroutines at once
	Size    int64       // bytes
	// Writable lets readers write. What they write is seen by all readers of
	// the file, never reaches Content, and is gone when the file is.
	Writable bool
	// SpillDir is where written blocks are kept; "" for the system's
	// directory for temporary files.
	SpillDir string
	// OnError, where it is not nil, hears of each read or write that failed.
	// It is called by several goroutines; the reader has EIO.
	OnError func(error)
}
