package blockdev

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Data finds the first range at or after off that may hold other bytes than
// zeroes, in bytes; start is the size where there is none. What lies before
// start is a hole, which reads as zeroes. A block device is all data.
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
	case errors.Is(err, unix.EINVAL): // a file system that knows no holes
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
