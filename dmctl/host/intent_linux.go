package host

// What a process must clean up, written down in case it dies.

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxIntent limits how much of an intent is read, in bytes.
const maxIntent = 64 << 10

// Intend implements Host. The file is locked while the process lives; the
// kernel unlocks it when the process dies. Programs that it starts do not
// inherit the lock.
func (h *Linux) Intend(name string, text []byte) (end func() error, err error) {
	if err := os.MkdirAll(h.intents, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(h.intents, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = &fs.PathError{Op: "flock", Path: path, Err: err}
	} else {
		_, err = f.Write(text)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(path), f.Close())
	}
	return func() error { return errors.Join(os.Remove(path), f.Close()) }, nil
}

// Forsaken implements Host.
func (h *Linux) Forsaken() (map[string][]byte, error) {
	entries, err := os.ReadDir(h.intents)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	left := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() { // the notes
			continue
		}
		text, dead, err := readIntent(filepath.Join(h.intents, e.Name()))
		if err != nil {
			return nil, err
		}
		if dead {
			left[e.Name()] = text
		}
	}
	return left, nil
}

// readIntent reads an intent that nobody has locked.
func readIntent(path string) (text []byte, dead bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close() // it was opened for reading
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, nil
	}
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, maxIntent))
	}
	return text, err == nil, err
}

// Forget implements Host.
func (h *Linux) Forget(name string) error { return os.Remove(filepath.Join(h.intents, name)) }
