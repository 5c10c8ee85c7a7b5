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
		loadLoop(t)
	}
	out, err := exec.Command("losetup", "-f", "--show", file).Output()
	if err != nil {
		t.Fatalf("losetup %s: %v", file, err)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", dev).Run() })
	return dev
}

// loadLoop loads the driver, which is a module on most kernels. User-mode Linux
// has its modules in a place that modprobe does not know.
func loadLoop(t *testing.T) {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join("/usr/lib/uml/modules", strings.TrimSpace(string(release)), "kernel/drivers/block/loop.ko")
	f, err := os.Open(module)
	if errors.Is(err, os.ErrNotExist) {
		command(t, "modprobe", "loop")
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
// itself.
func TestCOWFileOnOrigin(t *testing.T) {
	c, disks := scratch(t)
	dir := filepath.Join(t.TempDir(), "fs")
	vol := mapped(t, c, "vol", "0 131072 linear "+disks[0]+" 0")
	command(t, "mkfs.ext4", "-q", "-F", vol)
	mount(t, vol, dir, 0)
	file := filepath.Join(dir, "cow")
	if err := os.WriteFile(file, make([]byte, 4*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	dev := loop(t, file)
	err := c.Create(context.Background(), CreateRequest{Name: "s", Origin: vol, COW: dev})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "lies on the origin") {
		t.Errorf("a COW file on the origin: %v", err)
	}
	command(t, "losetup", "-d", dev)
	unmount(t, dir)
}

// A COW file that grows, and the loop device on it.
func TestGrowLoop(t *testing.T) {
	c, disks := scratch(t)
	file := filepath.Join(t.TempDir(), "cow")
	if err := os.WriteFile(file, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	dev := loop(t, file)
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: dev, ChunkSize: 8})
	if s := snapshot(t, c, "s"); s.Total != 2048 || s.COW != dev {
		t.Errorf("made: %+v", s)
	}
	if err := os.Truncate(file, 3*mib); err != nil {
		t.Fatal(err)
	}
	p, err := c.PlanGrow(context.Background(), "s")
	run(t, c, p, err)
	if s := snapshot(t, c, "s"); s.Total != 3*2048 {
		t.Errorf("grown: %+v", s)
	}
	remove(t, c, "s")
}
