package output

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A full file system does not damage the old file.
func TestAFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("mounting takes root; TestReplacing has a writer that fails")
		}
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	path := write(t, filepath.Join(dir, "out"), "old")
	d, err := To(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(text(strings.Repeat("x", 1<<20))); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want ENOSPC", err)
	}
	if content(t, path) != "old" || names(t, dir) != "out" {
		t.Errorf("%q in %s", content(t, path), names(t, dir))
	}
}

// Root keeps the owner: the file still belongs to its owner.
func TestTheOwnerIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files away takes root")
	}
	path := write(t, filepath.Join(t.TempDir(), "out"), "old")
	if err := os.Chown(path, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	d, err := To(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(text("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 23456 {
		t.Errorf("owner %d:%d", s.Uid, s.Gid)
	}
}
