package host

// Files outside loop devices, and notes.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// FileOf implements Files.
func (h *Linux) FileOf(dev blockdev.DevNo) string { return h.sys.LoopFile(dev) }

// FileID implements Files.
func (h *Linux) FileID(path string) (FileID, error) {
	f, err := statFile(path, false)
	return FileID{f.dev, f.inode}, err
}

func idOf(file *os.File) (FileID, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(file.Fd()), &st)
	return FileID{devNo(st.Dev), st.Ino}, err
}

// Written implements Files.
func (h *Linux) Written(path string) (bool, error) {
	file, isFile, err := openPlain(path)
	if err != nil || !isFile {
		return false, err
	}
	defer file.Close()
	return isWritten(file)
}

// isWritten asks for a read lease, which the kernel grants only for a file that
// nobody has open for writing (fs/locks.c: check_conflicting_open). If the
// kernel refuses for another reason, no writer is known.
func isWritten(file *os.File) (bool, error) {
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		return true, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EACCES), errors.Is(err, unix.EOPNOTSUPP):
		return false, nil // a file system without leases
	}
	return false, err
}

// Exists implements Files.
func (h *Linux) Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// DeleteFile implements Files.
func (h *Linux) DeleteFile(path string, id FileID) error {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if now := (FileID{devNo(st.Dev), st.Ino}); st.Mode&unix.S_IFMT != unix.S_IFREG || id != (FileID{}) && now != id {
		return fmt.Errorf("%s is now another file: it stays", path)
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RenameFile implements Files.
func (h *Linux) RenameFile(from, to string, replace bool) error {
	if replace {
		return os.Rename(from, to)
	}
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // the file system cannot guarantee it
		if there, err := h.Exists(to); err != nil || there {
			return errors.Join(err, &os.LinkError{Op: "rename", Old: from, New: to, Err: unix.EEXIST})
		}
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// SyncDir implements Files.
func (h *Linux) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// ListDir implements Files.
func (h *Linux) ListDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// unfinishedNote begins the name of a note that is being written.
const unfinishedNote = ".new-"

// WriteNote implements Files. A note exists as a whole or not at all.
func (h *Linux) WriteNote(name string, text []byte) error {
	if err := os.MkdirAll(h.notes, 0o700); err != nil {
		return err
	}
	path := filepath.Join(h.notes, unfinishedNote+name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return errors.Join(err, h.DeleteFile(path, FileID{}))
	}
	return os.Rename(path, filepath.Join(h.notes, name))
}

// Notes implements Files.
func (h *Linux) Notes() (map[string][]byte, error) {
	entries, err := os.ReadDir(h.notes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	notes := map[string][]byte{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(h.notes, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		notes[e.Name()] = text
	}
	return notes, nil
}

// DropNote implements Files.
func (h *Linux) DropNote(name string) error {
	return h.DeleteFile(filepath.Join(h.notes, name), FileID{})
}

// openPlain opens a plain file for reading; isFile is false if it is something
// else.
func openPlain(path string) (f *os.File, isFile bool, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, false, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, false, err
	}
	f, err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	if now, err := f.Stat(); err != nil || !now.Mode().IsRegular() {
		return nil, false, errors.Join(fmt.Errorf("open %s: it was replaced while it was being opened", path), err, f.Close())
	}
	return f, true, nil
}
