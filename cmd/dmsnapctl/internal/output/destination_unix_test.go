//go:build unix

package output

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestPermissions(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o027))
	dir := t.TempDir()
	for _, c := range []struct {
		name    string
		private bool
		old     fs.FileMode
		want    fs.FileMode
	}{
		{"new", false, 0, 0o640}, // by the umask
		{"old-narrow", false, 0o600, 0o600},
		{"old-wide", false, 0o666, 0o666},
		{"image", true, 0, 0o600},
		{"image-old", true, 0o644, 0o600},
		{"image-read-only", true, 0o400, 0o400},
	} {
		path := filepath.Join(dir, c.name)
		if c.old != 0 {
			write(t, path, "old")
			if err := os.Chmod(path, c.old); err != nil {
				t.Fatal(err)
			}
		}
		d, err := To(path, Options{Private: c.private})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(text("new")); err != nil {
			t.Fatal(err)
		}
		if got := mode(t, path); got != c.want {
			t.Errorf("%s: mode %o, want %o", c.name, got, c.want)
		}
	}
}

func TestImagesAreSparse(t *testing.T) {
	const size = 1 << 30
	path := filepath.Join(t.TempDir(), "image")
	d, err := To(path, Options{Private: true, New: true})
	if err != nil {
		t.Fatal(err)
	}
	err = d.WriteImage(size, func(f *os.File) error { _, err := f.WriteAt([]byte("end"), size-3); return err })
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if blocks := info.Sys().(*syscall.Stat_t).Blocks; info.Size() != size || blocks > 2048 {
		t.Errorf("%d bytes in %d blocks", info.Size(), blocks)
	}
}

func TestPipesAndSocketsAreRefused(t *testing.T) {
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, path := range []string{pipe, socket} {
		var refused *Refusal
		if _, err := To(path, Options{Reads: []string{pipe}}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v, want a refusal", path, err)
		}
	}
}
