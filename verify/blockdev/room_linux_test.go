package blockdev

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// allocated is the room that a file takes, in bytes.
func allocated(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestReserveAndPunch(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if !Reserve(f, 0, size/2) {
		t.Fatal("nothing is reserved: the tests need a file system that can")
	}
	if got := allocated(t, path); got < size/2 || got >= size {
		t.Errorf("%d bytes are allocated after half of the file was reserved", got)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{1}, 4096), 0); err != nil {
		t.Fatal(err)
	}
	StartWriteback(f, 0, 4096)
	Punch(f, 4096, size/2-4096)
	if got := allocated(t, path); got > size/4 {
		t.Errorf("%d bytes are allocated after all but 4096 were punched", got)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) != size || !bytes.Equal(b[:4096], bytes.Repeat([]byte{1}, 4096)) || !IsZero(b[4096:]) {
		t.Errorf("%d bytes, %v, or others than were written", len(b), err)
	}
}

// TestRoomOfWhatEmbedsAFile: a device that embeds a *File is that file.
func TestRoomOfWhatEmbedsAFile(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !Reserve(struct{ *File }{f}, 0, size) || allocated(t, path) < size {
		t.Errorf("%d bytes are allocated, want %d", allocated(t, path), size)
	}
}

// TestRoomOfSomethingElse: what is no file has no room to reserve.
func TestRoomOfSomethingElse(t *testing.T) {
	if Reserve(&bytes.Buffer{}, 0, 1) {
		t.Error("a buffer was reserved")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if Reserve(w, 0, 1) {
		t.Error("a pipe was reserved")
	}
	StartWriteback(w, 0, 1)
	StartReading(r, 0, 1)
	Punch(w, 0, 1)
}
