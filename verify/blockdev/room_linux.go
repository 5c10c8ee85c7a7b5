package blockdev

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// descriptor is the file descriptor of an *os.File, a *File, or what embeds one.
func descriptor(of any) (fd int, ok bool) {
	switch f := of.(type) {
	case *os.File:
		return int(f.Fd()), true
	case openFile:
		return int(f.file().f.Fd()), true
	}
	return 0, false
}

// StartWriteback lets the kernel begin to write a part of a file or a block
// device, in bytes, from the page cache to the disk. It is a hint: it does not
// wait, and errors of the disk come from the next flush.
func StartWriteback(to any, offset, length int64) {
	if fd, ok := descriptor(to); ok {
		_ = unix.SyncFileRange(fd, offset, length, unix.SYNC_FILE_RANGE_WRITE)
	}
}

// StartReading lets the kernel begin to read a part of a file or a block device,
// in bytes, into the page cache. It is a hint: it does not wait for the disk, and
// whoever needs what cannot be read gets the error.
func StartReading(from any, offset, length int64) {
	if f, ok := from.(*File); ok && f.direct {
		return
	}
	if fd, ok := descriptor(from); ok {
		_ = unix.Fadvise(fd, offset, length, unix.FADV_WILLNEED)
	}
}

// Reserve allocates a part of an *os.File, in bytes, which still reads as
// zeroes. It reports false if the file system can't, or has no room; then some of
// the part may have been allocated.
func Reserve(f any, offset, length int64) bool {
	fd, ok := descriptor(f)
	return ok && Retry(func() error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, offset, length) }) == nil
}

// Punch makes a part of a file, in bytes, a hole. A file system without holes
// keeps what is there.
func Punch(f any, offset, length int64) {
	if fd, ok := descriptor(f); ok {
		_ = Retry(func() error {
			return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, offset, length)
		})
	}
}

// Retry repeats a system call until no signal interrupts it, and returns its
// error.
func Retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
