package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/verify/internal/fuse"
)

// room is a place where images are files for as long as they are needed.
type room interface {
	// show makes a view a writable file. failed is called with each failed read
	// or write. After hide returns, nobody reads the view any more.
	show(name string, v *View, failed func(error)) (path string, hide func(), err error)
	close() error
}

// ErrUnsupported is returned if the system has no FUSE.
var ErrUnsupported = fuse.ErrUnsupported

// mounted is a room in a FUSE mount: DIR/images, next to a lock that is held as
// long as its process lives.
type mounted struct {
	dir   string
	lock  *os.File
	mount *fuse.Mount
}

// roomName is the pattern for the directories of rooms.
const roomName = "dmsnapctl-check-*"

// openRoom mounts a room in dir; "" means the system's directory for temporary
// files. It first removes rooms that killed runs left there.
func openRoom(dir string) (room, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	clearStale(dir)
	for try := 1; ; try++ {
		r, err := tryRoom(dir)
		// Another process may find the room stale before it is locked.
		if err == nil || try == 3 || !errors.Is(err, errLocked) && !errors.Is(err, os.ErrNotExist) {
			return r, err
		}
	}
}

func tryRoom(dir string) (_ *mounted, err error) {
	r := &mounted{}
	if r.dir, err = os.MkdirTemp(dir, roomName); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.removeDir())
		}
	}()
	if r.lock, err = lockRoom(r.dir, os.O_CREATE|os.O_EXCL); err != nil {
		return nil, err
	}
	if err := os.Mkdir(r.images(), 0o700); err != nil {
		return nil, err
	}
	if r.mount, err = fuse.ShowMany(r.images()); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *mounted) images() string { return filepath.Join(r.dir, "images") }

func (r *mounted) show(name string, v *View, failed func(error)) (string, func(), error) {
	hide, err := r.mount.Add(fuse.File{Name: name, Content: v, Size: v.Size, Writable: true, SpillDir: r.dir, OnError: failed})
	return filepath.Join(r.images(), name), hide, err
}

func (r *mounted) close() error {
	err := r.mount.Close()
	return errors.Join(err, r.removeDir())
}

// removeDir removes a room that is not mounted, by its known names: reading the
// directory could read a mount.
func (r *mounted) removeDir() error {
	var all error
	for _, name := range []string{r.images(), lockName(r.dir), r.dir} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	if r.lock != nil {
		all = errors.Join(all, r.lock.Close())
	}
	return all
}

func lockName(dir string) string { return filepath.Join(dir, "lock") }

// clearStale removes the rooms of processes that have ended: those whose lock
// is free. It leaves what it cannot remove; that does no harm.
func clearStale(dir string) {
	rooms, err := filepath.Glob(filepath.Join(dir, roomName))
	if err != nil {
		return
	}
	for _, name := range rooms {
		if info, err := os.Lstat(name); err != nil || !info.IsDir() || !isOurs(info) {
			continue
		}
		lock, err := lockRoom(name, 0)
		if err != nil {
			continue
		}
		r := &mounted{dir: name, lock: lock}
		if err := fuse.Clear(r.images()); err == nil {
			_ = r.removeDir()
		} else {
			_ = lock.Close()
		}
	}
}

// errLocked is returned for a room whose process is alive.
var errLocked = errors.New("the room is in use")

// lockRoom takes a room's lock. flags are more flags for opening it.
func lockRoom(dir string, flags int) (*os.File, error) {
	f, err := os.OpenFile(lockName(dir), os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), f.Close())
	}
	return f, nil
}
