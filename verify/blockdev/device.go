package blockdev

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
)

// Device is what package mend writes to. Writes are durable only after Flush.
// *File implements it, and so does the crash explorer.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Size() int64  // bytes
	Flush() error // makes all writes that returned durable
}

// defaultBlockSize is the logical block size of a plain file, which has none of
// its own: device mapper's sector.
const defaultBlockSize = 512

// ErrUnsupported is wrapped by errors for paths that are neither a block device
// nor a plain file.
var ErrUnsupported = errors.New("neither a block device nor a plain file")

// ErrBusy is wrapped by errors for a block device that the kernel or another
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

// Open opens a block device or a plain file read-only. For anything else (a
// directory, a character device, a pipe) the error wraps ErrUnsupported and
// names the kind.
func Open(path string) (*File, error) { return open(path, os.O_RDONLY) }

// OpenWriter opens for reading and writing. It opens a block device with
// O_EXCL: if the device is mounted, held by another device or opened
// exclusively, the error wraps ErrBusy.
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

// kind reports whether path is a block device, and fails if path has no random
// access. It must be called before opening, because opening a pipe blocks.
func kind(path string, mode fs.FileMode) (isDev bool, err error) {
	what := ""
	switch {
	case mode.IsRegular():
		return false, nil
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if blockDevices {
			return true, nil
		}
		what = "a block device, supported only on Linux"
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

// describe fills in what is known about an open file, and checks that its kind
// is still the expected one.
func describe(f *os.File, path string, isDev bool) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if now, err := kind(path, info.Mode()); err != nil || now != isDev {
		return nil, fmt.Errorf("open %s: it was replaced during the open", path)
	}
	d := &File{f: f, path: path, size: info.Size(), block: defaultBlockSize, isDev: isDev}
	if !isDev {
		return d, nil
	}
	// stat gives no size for a block device; seeking to the end does.
	if d.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("size of %s: %w", path, err)
	}
	if d.block, err = logicalBlockSize(f); err != nil {
		return nil, fmt.Errorf("logical block size of %s: %w", path, err)
	}
	d.devNo = devNoOf(info)
	return d, nil
}

// Same reports whether two devices are one, under any names: one file, one block
// device, or one value. Devices that embed a *File are compared by their files.
func Same(a, b Device) (bool, error) {
	x, ok := a.(openFile)
	y, both := b.(openFile)
	if ok && both {
		return x.file().same(y.file())
	}
	v := reflect.ValueOf(a)
	return v.Comparable() && reflect.ValueOf(b).Comparable() && a == b, nil
}

// openFile is a File, or embeds one.
type openFile interface{ file() *File }

func (d *File) file() *File { return d }

func (d *File) same(other *File) (bool, error) {
	if d.isDev && other.isDev {
		return d.devNo == other.devNo, nil
	}
	info, err := d.f.Stat()
	if err != nil {
		return false, err
	}
	otherInfo, err := other.f.Stat()
	return err == nil && os.SameFile(info, otherInfo), err
}

// Path returns the path that the file was opened by.
func (d *File) Path() string { return d.path }

// Size returns the size in bytes at the time of opening.
func (d *File) Size() int64 { return d.size }

// LogicalBlockSize returns the unit of reads and writes to the device in bytes;
// 512 for a plain file.
func (d *File) LogicalBlockSize() int { return d.block }

// IsBlockDevice reports whether the file is a block device, not a plain file.
func (d *File) IsBlockDevice() bool { return d.isDev }

// DevNo returns the block device's number; zero for a plain file.
func (d *File) DevNo() DevNo { return d.devNo }

// ReadAt implements io.ReaderAt.
func (d *File) ReadAt(p []byte, off int64) (int, error) {
	if d.direct {
		return d.readDirect(p, off)
	}
	return d.f.ReadAt(p, off)
}

// WriteAt implements io.WriterAt. Its writes are durable only after Flush.
func (d *File) WriteAt(p []byte, off int64) (int, error) { return d.f.WriteAt(p, off) }

// Flush makes all writes that have returned durable. fsync on a block device
// writes back the page cache and then flushes the device's own cache
// (block/fops.c: blkdev_fsync).
func (d *File) Flush() error { return d.f.Sync() }

// Close closes the file. It does not flush.
func (d *File) Close() error { return d.f.Close() }

// GrowTo grows a plain file to size bytes; the new part reads as zeroes. A
// block device is grown by other means, so the error wraps
// errors.ErrUnsupported.
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
