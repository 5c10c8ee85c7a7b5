package blockdev

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Data returns the first range [start, end), in bytes, at or after off that may
// hold nonzero bytes. If there is none, start is the file's size. Everything
// from off to start is a hole and reads as zeroes. A block device is all data.
func (d *File) Data(off int64) (start, end int64, err error) {
	if off >= d.size {
		return d.size, d.size, nil
	}
	if d.isDev {
		return off, d.size, nil
	}
	fd := int(d.f.Fd())
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return d.size, d.size, nil
	case errors.Is(err, unix.EINVAL): // a file system without holes
		return off, d.size, nil
	case err != nil:
		return 0, 0, fmt.Errorf("find data in %s: %w", d.path, err)
	}
	end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	if err != nil {
		return 0, 0, fmt.Errorf("find a hole in %s: %w", d.path, err)
	}
	return min(start, d.size), min(end, d.size), nil
}
