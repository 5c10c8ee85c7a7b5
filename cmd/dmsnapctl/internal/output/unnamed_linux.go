package output

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openUnnamed makes a file in dir that has no name yet (O_TMPFILE): if the run
// is killed, nothing is left of it. Errors about it have the name beside. It
// fails if the file system has no such files, or if the file could not get a name
// at the end, when it is too late for another way: an empty one gets it first.
func openUnnamed(dir *os.Root, beside string, mode os.FileMode) (*os.File, error) {
	in, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer in.Close() // it was only read
	tried, err := unnamedIn(in, beside, mode)
	if err != nil {
		return nil, err
	}
	err = linkIn(tried, in, beside) // fails without procfs, too
	if err == nil {
		err = unix.Unlinkat(int(in.Fd()), beside, 0)
	}
	if err := errors.Join(err, tried.Close()); err != nil {
		return nil, err
	}
	return unnamedIn(in, beside, mode)
}

func unnamedIn(in *os.File, beside string, mode os.FileMode) (*os.File, error) {
	fd, err := unix.Openat(int(in.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), beside), nil
}

// linkIn gives an unnamed file a name, which must be free.
func linkIn(f, in *os.File, name string) error {
	if err := unix.Linkat(unix.AT_FDCWD, openPath(f), int(in.Fd()), name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: f.Name(), New: name, Err: err}
	}
	return nil
}

func openPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// giveName gives an unnamed file a name in dir, which must be free, and makes
// that durable: not every file system remembers the content of a file that had
// no name when it was synced.
func giveName(f *os.File, dir *os.Root, name string) error {
	in, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	if err := linkIn(f, in, name); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, dir.Remove(name))
	}
	return nil
}
