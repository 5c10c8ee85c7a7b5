package blockdev

import (
	"fmt"
	"os"
)

// Direct opens the same device once more, for reading past the page cache
// (O_DIRECT): the kernel writes an active COW device below the page cache, and
// a buffered read can show old bytes for ever. A plain file is reopened as it
// is, since loop devices write through its cache. ReadAt of the result takes
// any offset and length; AlignedBuffer's buffers are read into without a copy.
func (d *File) Direct() (*File, error) {
	if !d.isDev {
		return d.reopen(os.O_RDONLY)
	}
	f, err := d.reopen(os.O_RDONLY | directFlag)
	if err != nil {
		return nil, err
	}
	f.direct = true
	return f, nil
}

// Claim opens the same device once more, exclusively: until it is closed,
// nobody else mounts the device, builds on it or opens it exclusively. It is
// for reading, so that closing it makes no event. A device that is in use is
// an error that wraps ErrBusy.
func (d *File) Claim() (*File, error) { return d.reopen(os.O_RDONLY | os.O_EXCL) }

// Writer opens the same device once more for reading and writing, whoever
// else has it: the caller has claimed it.
func (d *File) Writer() (*File, error) { return d.reopen(os.O_RDWR) }

// reopen opens what is open already, not what its path leads to by now.
func (d *File) reopen(flags int) (*File, error) {
	f, err := os.OpenFile(d.again(), flags, 0)
	if err != nil {
		return nil, explainOpen(d.path, d.isDev, err)
	}
	again, err := describe(f, d.path, d.isDev)
	if err == nil && again.devNo != d.devNo {
		err = fmt.Errorf("open %s once more: it is another device (%v, was %v)", d.path, again.devNo, d.devNo)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return again, nil
}
