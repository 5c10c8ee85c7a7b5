package blockdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	blockDevices = true
	directFlag   = unix.O_DIRECT
)

func logicalBlockSize(f *os.File) (int, error) {
	n, err := unix.IoctlGetUint32(int(f.Fd()), unix.BLKSSZGET)
	if err == nil && (n < defaultBlockSize || n&(n-1) != 0) {
		err = fmt.Errorf("the kernel reports %d", n)
	}
	return int(n), err
}

func devNoOf(info fs.FileInfo) DevNo {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return DevNo{}
	}
	return DevNo{Major: unix.Major(uint64(st.Rdev)), Minor: unix.Minor(uint64(st.Rdev))}
}

func explainOpen(path string, isDev bool, err error) error {
	if isDev && errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("open %s: %w: it is mounted, held by another device or opened exclusively", path, ErrBusy)
	}
	return err
}

// DropCache writes the device's page cache back and drops it (BLKFLSBUF), so
// that the next buffered read goes to the device. It does nothing for a plain
// file.
func (d *File) DropCache() error {
	if !d.isDev {
		return nil
	}
	if err := unix.IoctlSetInt(int(d.f.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("drop the cache of %s: %w", d.path, err)
	}
	return nil
}

// again is a path to the open file itself, even if another file has its old
// path.
func (d *File) again() string { return fmt.Sprintf("/proc/self/fd/%d", d.f.Fd()) }
