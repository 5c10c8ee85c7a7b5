package blockdev

import (
	"fmt"
	"os"
)

// Direct opens the same device again, to read past the page cache (O_DIRECT).
// The kernel writes an active COW device below the page cache, so a buffered
// read can return old bytes forever. A plain file is reopened without O_DIRECT,
// because loop devices write through its cache. ReadAt on the result takes any
// offset and length; it needs no copy into an AlignedBuffer.
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

// Claim opens the same device again, exclusively: until it is closed, nobody
// else can mount the device, build on it or open it exclusively. It is opened
// for reading, so that closing it causes no event. If the device is in use, the
// error wraps ErrBusy.
func (d *File) Claim() (*File, error) { return d.reopen(os.O_RDONLY | os.O_EXCL) }

// Writer opens the same device again for reading and writing, even if others
// have it open. The caller must have claimed it.
func (d *File) Writer() (*File, error) { return d.reopen(os.O_RDWR) }

// reopen opens the open file itself, not what its path names now.
func (d *File) reopen(flags int) (*File, error) {
	f, err := os.OpenFile(d.again(), flags, 0)
	if err != nil {
		return nil, explainOpen(d.path, d.isDev, err)
	}
	again, err := describe(f, d.path, d.isDev)
	if err == nil && again.devNo != d.devNo {
		err = fmt.Errorf("reopen %s: it is another device (%v, was %v)", d.path, again.devNo, d.devNo)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return again, nil
}
