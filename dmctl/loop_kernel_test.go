//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// loop puts a loop device on a file.
func loop(t *testing.T, file string) string {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		loadModule(t, "drivers/block", "loop")
	}
	out, err := exec.Command("losetup", "-f", "--show", file).Output()
	if err != nil {
		t.Fatalf("losetup %s: %v", file, err)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", dev).Run() })
	return dev
}

// loadModule loads a module, even if the kernel's modules are not where
// modprobe looks, as with User-mode Linux.
func loadModule(t *testing.T, dir, name string) {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join("/usr/lib/uml/modules", strings.TrimSpace(string(release)), "kernel", dir, name+".ko")
	f, err := os.Open(module)
	if errors.Is(err, os.ErrNotExist) {
		command(t, "modprobe", name)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatalf("load %s: %v", module, err)
	}
}

// A COW device that is a file on the origin's own file system would wait for
// itself, no matter how many file systems are in between.
func TestCOWFileOnOrigin(t *testing.T) {
	c, disks := scratch(t)
	loadModule(t, "fs/overlayfs", "overlay")
	top := t.TempDir()
	dir := func(path string) string {
		t.Helper()
		path = filepath.Join(top, path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vol := mapped(t, c, "vol", "0 131072 linear "+disks[0]+" 0")
	command(t, "mkfs.ext4", "-q", "-F", vol)
	mount(t, vol, dir("fs"), 0)
	mountType(t, "tmpfs", dir("ram"), "")
	overlay := func(at, lower, upper string) {
		t.Helper()
		mountType(t, "overlay", dir(at), "lowerdir="+dir(lower)+",upperdir="+dir(upper+"/up")+",workdir="+dir(upper+"/work"))
	}
	overlay("over", "ram/low", "fs/a b")
	overlay("above", "fs", "ram/d")
	onOrigin, lost := "lies on the origin", "cannot tell on which device it lies"
	why := map[string]error{onOrigin: ErrRefused, lost: ErrForce}
	for _, tt := range []struct {
		dir     string
		removed bool
		refused string // "" for accepted
	}{
		{"fs", false, onOrigin},
		{"fs", true, onOrigin},
		{"over", false, onOrigin},
		{"over", true, lost},
		{"ram", false, ""},
		{"ram", true, ""},
		{"above", false, ""},
	} {
		file := filepath.Join(top, tt.dir, "cow")
		if err := os.WriteFile(file, make([]byte, 4*mib), 0o600); err != nil {
			t.Fatal(err)
		}
		dev := loop(t, file)
		if tt.removed {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		_, err := c.PlanCreate(context.Background(), CreateRequest{Name: "s", Origin: vol, COW: dev})
		switch {
		case tt.refused == "" && err == nil:
		case tt.refused == "" || !errors.Is(err, why[tt.refused]) || !strings.Contains(err.Error(), tt.refused):
			t.Errorf("a COW file on %s, removed %v: %v; want %q", tt.dir, tt.removed, err, tt.refused)
		}
		c.Release() // a plan has the device open
		command(t, "losetup", "-d", dev)
		_ = os.Remove(file)
	}
	for _, place := range []string{"above", "over", "fs"} {
		unmount(t, filepath.Join(top, place))
	}
}

// mountType mounts a file system that is not on a device of its own.
func mountType(t *testing.T, name, dir, options string) {
	t.Helper()
	if err := unix.Mount(name, dir, name, 0, options); err != nil {
		t.Fatalf("mount %s %s: %v", name, options, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// A COW file that grows, and its loop device.
func TestGrowLoop(t *testing.T) {
	c, disks := scratch(t)
	file := filepath.Join(t.TempDir(), "cow")
	if err := os.WriteFile(file, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	dev := loop(t, file)
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: dev, ChunkBytes: 8 << 9})
	if s := snapshot(t, c, "s"); s.Total != 2048 || s.COW != dev {
		t.Errorf("made: %+v", s)
	}
	if err := os.Truncate(file, 3*mib); err != nil {
		t.Fatal(err)
	}
	p, err := c.PlanGrow(context.Background(), GrowRequest{Name: "s"})
	run(t, c, p, err)
	if s := snapshot(t, c, "s"); s.Total != 3*2048 {
		t.Errorf("grown: %+v", s)
	}
	remove(t, c, "s")
}
