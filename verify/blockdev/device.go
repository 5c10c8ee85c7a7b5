package blockdev

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Device is what package mend writes to: a place with a size whose writes are
// durable only after Flush. *File is one; the crash explorer has another.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Size() int64  // bytes
	Flush() error // all writes that returned before are durable after
}

// defaultBlockSize is the logical block size of what has none of its own, a
// plain file: the sector in which device mapper counts.
const defaultBlockSize = 512

// ErrUnsupported is wrapped by errors about paths that are neither a block
// device nor a plain file.
var ErrUnsupported = errors.New("neither a block device nor a plain file")

// ErrBusy is wrapped by errors about a block device that the kernel or another
// program holds.
var ErrBusy = errors.New("device is in use")

// File is an open block device or plain file. Reads and writes may run
// concurrently.
type File struct {
	f      *os.File
	path   string
	size   int64
	block  int
	isDev  bool
	devNo  DevNo
	direct bool
}

// Open opens a block device or a plain file for reading only. Anything else
// (a directory, a character device, a pipe) is refused with an error that
// wraps ErrUnsupported and names what it is.
func Open(path string) (*File, error) { return open(path, os.O_RDONLY) }

// OpenWriter opens for reading and writing. A block device is opened with
// O_EXCL, so that one that is mounted, held by another device or opened
// exclusively elsewhere is refused with an error that wraps ErrBusy.
func OpenWriter(path string) (*File, error) { return open(path, os.O_RDWR) }

func open(path string, flags int) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	isDev, err := kind(path, info.Mode())
	if err != nil {
		return nil, err
	}
	if isDev && flags&os.O_RDWR != 0 {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, explainOpen(path, isDev, err)
	}
	d, err := describe(f, path, isDev)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return d, nil
}

// kind says whether path is a block device, or refuses what cannot be read at
// random. It is asked before opening: opening a pipe would block.
func kind(path string, mode fs.FileMode) (isDev bool, err error) {
	what := ""
	switch {
	case mode.IsRegular():
		return false, nil
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if blockDevices {
			return true, nil
		}
		what = "a block device, which is supported on Linux only"
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeCharDevice != 0:
		what = "a character device"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	default:
		what = mode.Type().String()
	}
	return false, fmt.Errorf("open %s: it is %s: %w", path, what, ErrUnsupported)
}

// describe fills in what is known of an open file, and checks that it is
// still of the kind that was asked for.
func describe(f *os.File, path string, isDev bool) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if now, err := kind(path, info.Mode()); err != nil || now != isDev {
		return nil, fmt.Errorf("open %s: it was replaced while it was being opened", path)
	}
	d := &File{f: f, path: path, size: info.Size(), block: defaultBlockSize, isDev: isDev}
	if !isDev {
		return d, nil
	}
	// The stat of a block device has no size; its end does.
	if d.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("size of %s: %w", path, err)
	}
	if d.block, err = logicalBlockSize(f); err != nil {
		return nil, fmt.Errorf("logical block size of %s: %w", path, err)
	}
	d.devNo = devNoOf(info)
	return d, nil
}

// Path is the path it was opened by.
func (d *File) Path() string { return d.path }

// Size is the size in bytes when it was opened.
func (d *File) Size() int64 { return d.size }

// LogicalBlockSize is the unit in which the device is read and written, in
// bytes; 512 for a plain file.
func (d *File) LogicalBlockSize() int { return d.block }

// IsBlockDevice says whether it is a block device rather than a plain file.
func (d *File) IsBlockDevice() bool { return d.isDev }

// DevNo is the block device's number; zero for a plain file.
func (d *File) DevNo() DevNo { return d.devNo }

// ReadAt is io.ReaderAt.
func (d *File) ReadAt(p []byte, off int64) (int, error) {
	if d.direct {
		return d.readDirect(p, off)
	}
	return d.f.ReadAt(p, off)
}

// WriteAt is io.WriterAt. What it wrote is durable after Flush.
func (d *File) WriteAt(p []byte, off int64) (int, error) { return d.f.WriteAt(p, off) }

// Flush makes all writes that have returned durable. fsync of a block device
// writes its page cache back and then has the device empty its own
// (block/fops.c: blkdev_fsync).
func (d *File) Flush() error { return d.f.Sync() }

// Close closes it. It does not flush.
func (d *File) Close() error { return d.f.Close() }

// GrowTo makes a plain file larger, in bytes; what joins it reads as zeroes. A
// block device grows elsewhere.
func (d *File) GrowTo(size int64) error {
	if d.isDev || size < d.size {
		return fmt.Errorf("grow %s to %d bytes: it has %d, and %w", d.path, size, d.size, errors.ErrUnsupported)
	}
	if err := d.f.Truncate(size); err != nil {
		return err
	}
	d.size = size
	return nil
}
