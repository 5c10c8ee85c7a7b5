package host

// What the real machine refuses, where a test can bring it about without a
// kernel of its own.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// A node is a device's if it is a block device and has its number.
func TestIsNodeOf(t *testing.T) {
	dev := blockdev.DevNo{Major: 7, Minor: 3}
	number := unix.Mkdev(7, 3)
	for _, tt := range []struct {
		name string
		st   unix.Stat_t
		want bool
	}{
		{"its node", unix.Stat_t{Mode: unix.S_IFBLK | 0o600, Rdev: number}, true},
		{"a character device", unix.Stat_t{Mode: unix.S_IFCHR | 0o600, Rdev: number}, false},
		{"a file", unix.Stat_t{Mode: unix.S_IFREG | 0o600}, false},
		{"the node of another device", unix.Stat_t{Mode: unix.S_IFBLK | 0o600, Rdev: unix.Mkdev(7, 4)}, false},
	} {
		if got := isNodeOf(&tt.st, dev); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// What lies in the place of a node is not taken for the device.
func TestOpenDeviceIgnoresWhatIsNoNode(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	h := &Linux{nodes: "/proc"} // where nobody can make nodes
	for _, path := range []string{file, pipe, os.DevNull} {
		if f, err := openNode(path, blockdev.DevNo{Major: 7, Minor: 0}, os.O_RDONLY); f != nil || err == nil || !strings.Contains(err.Error(), "is not the node of 7:0") {
			t.Errorf("%s: %v, %v", path, f, err)
		}
		if f, err := h.openDevice(path, blockdev.DevNo{Major: 7, Minor: 0}, os.O_RDWR); f != nil || err == nil {
			t.Errorf("%s: %v, %v", path, f, err)
		}
	}
}

// A file that another program keeps locked is not waited for endlessly.
func TestLockFileGivesUp(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unlock, err := lockFile(f, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFile(f, 0); !errors.Is(err, devices.ErrBusy) || !strings.Contains(err.Error(), "locked by another program") {
		t.Errorf("a locked file: %v", err)
	}
	unlock()
	if unlock, err = lockFile(f, 0); err != nil {
		t.Fatalf("an unlocked file: %v", err)
	}
	unlock()
}

// A file system in use is tried again, and then stays mounted.
func TestUnmountGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		busy  int // how many tries fail
		fails error
		want  error
		tries int
	}{
		{"not in use", 0, nil, nil, 1},
		{"in use for a moment", 2, unix.EBUSY, nil, 3},
		{"in use", 1 << 20, unix.EBUSY, devices.ErrBusy, unmountTries},
		{"not allowed", 1 << 20, unix.EPERM, unix.EPERM, 1},
	} {
		is, tries := true, 0
		err := unmounted("/mnt", func() (bool, error) { return is, nil }, func() error {
			if tries++; tries <= tt.busy {
				return tt.fails
			}
			is = false
			return nil
		}, func(time.Duration) {})
		if !errors.Is(err, tt.want) || tries != tt.tries || is != (tt.want != nil) {
			t.Errorf("%s: %v after %d tries", tt.name, err, tries)
		}
	}
}

// What LVM says is passed on with its exit status; a machine may lack LVM.
func TestLVM(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	h := New()
	if err := h.LVM("lvcreate", "--snapshot"); !errors.Is(err, devices.ErrRefused) || !strings.Contains(err.Error(), "neither lvcreate nor lvm is installed") {
		t.Errorf("without LVM: %v", err)
	}
	const script = "#!/bin/sh\n[ \"$2\" != fail ] || { echo no space >&2; exit 5; }\n"
	if err := os.WriteFile(filepath.Join(dir, "lvm"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.LVM("lvcreate", "vg"); err != nil {
		t.Error(err)
	}
	if err := h.LVM("lvcreate", "fail"); err == nil || !strings.Contains(err.Error(), "lvcreate fail: exit status 5: no space") {
		t.Errorf("a failing LVM: %v", err)
	}
}

// small is a device of some bytes.
type small struct{ bytes int64 }

func (s *small) ReadAt([]byte, int64) (int, error)      { return 0, nil }
func (s *small) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (s *small) Size() int64                            { return s.bytes }
func (s *small) Flush() error                           { return nil }

// No more is zeroed than there is.
func TestZeroWithinTheDevice(t *testing.T) {
	if err := zero(&small{4096}, 4096); err != nil {
		t.Error(err)
	}
	if err := zero(&small{4096}, 4097); err == nil || !strings.Contains(err.Error(), "fewer than the 4097 to zero") {
		t.Errorf("beyond the end: %v", err)
	}
}
