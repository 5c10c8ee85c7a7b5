package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// fakeLoops is a loop driver whose free devices other processes take first.
type fakeLoops struct {
	t         *testing.T
	lost      int  // how many devices are lost to others
	noDirect  bool // direct I/O is refused
	noFree    error
	next      int
	asked     []uint32 // the flags of each attempt
	attempted []*os.File
}

func (l *fakeLoops) free() (int, error) { return l.next, l.noFree }

func (l *fakeLoops) open(int, bool) (*os.File, error) {
	f, err := os.Open(os.DevNull)
	l.attempted = append(l.attempted, f)
	return f, err
}

func (l *fakeLoops) configure(_ *os.File, c *unix.LoopConfig) error {
	l.asked = append(l.asked, c.Info.Flags)
	switch {
	case l.lost > 0:
		l.lost--
		l.next++
		return unix.EBUSY
	case l.noDirect && c.Info.Flags&unix.LO_FLAGS_DIRECT_IO != 0:
		return unix.EINVAL
	}
	return nil
}

func (l *fakeLoops) isClosed(i int) bool { return l.attempted[i].Close() != nil }

// A free loop device that another process took is left to it, and closed.
func TestAttachAfterLostRaces(t *testing.T) {
	l := &fakeLoops{t: t, lost: 3}
	got, err := attach(l, os.Stdin, "file", false)
	if err != nil || l.next != 3 || got != l.attempted[3] {
		t.Errorf("%v, %v, at device %d", got, err, l.next)
	}
	for i := range 3 {
		if !l.isClosed(i) {
			t.Errorf("attempt %d stays open", i)
		}
	}
	if l.isClosed(3) {
		t.Error("the device is closed, and would clear itself")
	}
	l = &fakeLoops{t: t, lost: 1 << 20}
	if _, err := attach(l, os.Stdin, "file", false); !errors.Is(err, unix.EBUSY) || len(l.asked) != loopTries {
		t.Errorf("%v after %d attempts", err, len(l.asked))
	}
}

// All devices clear themselves. A base is read-only and shares the page cache;
// a store has direct I/O if the kernel supports it.
func TestLoopFlags(t *testing.T) {
	for _, tt := range []struct {
		readOnly, noDirect bool
		want               uint32
	}{
		{true, false, unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_READ_ONLY},
		{false, false, unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO},
		{false, true, unix.LO_FLAGS_AUTOCLEAR},
	} {
		l := &fakeLoops{t: t, noDirect: tt.noDirect}
		if _, err := attach(l, os.Stdin, "file", tt.readOnly); err != nil || l.asked[len(l.asked)-1] != tt.want {
			t.Errorf("%+v: flags %#x, %v", tt, l.asked, err)
		}
	}
}

func TestNoLoopDevice(t *testing.T) {
	for says, why := range map[string]error{"has not loaded": fs.ErrNotExist, "all are in use": unix.ENOSPC} {
		_, err := attach(&fakeLoops{t: t, noFree: why}, os.Stdin, "file", true)
		if !errors.Is(err, ErrNoLoop) || !errors.Is(err, devices.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", why, err)
		}
	}
}

// The kernel knows whether a file is open for writing.
func TestWritten(t *testing.T) {
	h := New()
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if written, err := h.Written(path); !written || err != nil {
		t.Errorf("open for writing: %v, %v", written, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if written, err := h.Written(path); written || err != nil {
		t.Errorf("open for reading: %v, %v", written, err)
	}
}

// A file is renamed over another one only on request, and deleted only if it
// is the right one.
func TestFilesOfOthersStay(t *testing.T) {
	h := New()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, p := range []string{a, b} {
		if err := os.WriteFile(p, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.RenameFile(a, b, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("renamed over another file: %v", err)
	}
	id, err := h.FileID(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteFile(b, id); err == nil {
		t.Error("another file was deleted")
	}
	if err := h.RenameFile(a, b, true); err != nil {
		t.Error(err)
	}
	if err := errors.Join(h.DeleteFile(b, id), h.DeleteFile(b, id)); err != nil {
		t.Error(err)
	}
}

// A file grows if it is the one in use, and never shrinks.
func TestGrowTo(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes, want int64
		other       bool
	}{
		"longer":       {bytes: 8192, want: 8192},
		"as it is":     {bytes: 4096, want: 4096},
		"shorter":      {bytes: 512, want: 4096},
		"another file": {bytes: 8192, want: 4096, other: true},
	} {
		path := filepath.Join(t.TempDir(), "store")
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		id, err := idOf(f)
		if err != nil {
			t.Fatal(err)
		}
		if tt.other {
			id.Inode++
		}
		if err := growTo(f, id, tt.bytes); errors.Is(err, devices.ErrRefused) != tt.other {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := f.Stat(); err != nil || info.Size() != tt.want {
			t.Errorf("%s: %v, %v; want %d bytes", name, info.Size(), err, tt.want)
		}
		f.Close()
	}
}
