package output

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openUnnamed makes a file in dir that has no name yet (O_TMPFILE): if the run
// is killed, nothing is left of it. Errors about it have the name beside. It
// fails if the file system has no such files, or the file could not get a name.
func openUnnamed(dir *os.Root, beside string, mode os.FileMode) (*os.File, error) {
	in, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer in.Close() // it was only read
	fd, err := unix.Openat(int(in.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), beside)
	if _, err := os.Stat(openPath(f)); err != nil { // no procfs
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// giveName gives an unnamed file a name in dir, which must be free, and makes
// that durable: not every file system remembers the content of a file that had
// no name when it was synced.
func giveName(f *os.File, dir *os.Root, beside string) error {
	in, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	if err := unix.Linkat(unix.AT_FDCWD, openPath(f), int(in.Fd()), beside, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: beside, New: beside, Err: err}
	}
	return f.Sync()
}
