package output

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A full disk is the same error each time: the monitor reports it once.
func TestErrorsAreTheSameEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics")
	for range 2 {
		err := (&Destination{path: path}).replace(func(f *os.File) error {
			return &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
		})
		want := "writing the result: " + path + ": no space left on device"
		if !errors.Is(err, syscall.ENOSPC) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	other := &os.PathError{Op: "read", Path: "/dev/sda", Err: syscall.EIO}
	err := (&Destination{path: path}).replace(func(*os.File) error { return other })
	if want := "writing the result: " + path + ": " + other.Error(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// So is a new file that cannot get its name.
func TestErrorsOfRenamesAreTheSameEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics")
	for range 2 {
		err := (&Destination{path: path}).replace(func(f *os.File) error { return os.Remove(f.Name()) })
		want := "writing the result: " + path + ": no such file or directory"
		if !errors.Is(err, syscall.ENOENT) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
