//go:build linux && kernel

package wire

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// withoutControlNode removes the node, and restores one after the test.
func withoutControlNode(t *testing.T) {
	t.Helper()
	if err := os.Remove(ControlNode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := openControl(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOpenMakesTheControlNode(t *testing.T) {
	withoutControlNode(t)
	ctl, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	var stat unix.Stat_t
	if err := unix.Stat(ControlNode, &stat); err != nil {
		t.Fatal(err)
	}
	if stat.Mode != unix.S_IFCHR|0o600 {
		t.Errorf("the node has mode %#o, want a character device with 0600", stat.Mode)
	}
	if _, err := ctl.TargetVersion("snapshot"); err != nil {
		t.Error(err)
	}
	// A second caller finds the node there.
	minor, ok := controlMinor()
	if !ok {
		t.Fatal("/proc/misc does not list device mapper")
	}
	if err := makeControlNode(minor); err != nil {
		t.Error(err)
	}
}

// Something else in the node's place is reported, not opened.
func TestOpenAnotherNode(t *testing.T) {
	withoutControlNode(t)
	for _, node := range []struct {
		mode   uint32
		device uint64
	}{{unix.S_IFREG, 0}, {unix.S_IFCHR, unix.Mkdev(1, 3)}, {unix.S_IFCHR, unix.Mkdev(10, 99)}} {
		if err := unix.Mknod(ControlNode, node.mode|0o600, int(node.device)); err != nil {
			t.Fatal(err)
		}
		if ctl, err := Open(); !errors.Is(err, devices.ErrWrongControlNode) {
			t.Errorf("%#o: %v, %v, want %v", node.mode, ctl, err, devices.ErrWrongControlNode)
		}
		if err := os.Remove(ControlNode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenWhereDevIsReadOnly(t *testing.T) {
	withoutControlNode(t)
	const dir = "/dev/mapper"
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
	}()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if ctl, err := Open(); !errors.Is(err, devices.ErrNoControlNode) || !errors.Is(err, unix.EROFS) {
		t.Errorf("%v, %v, want %v and %v", ctl, err, devices.ErrNoControlNode, unix.EROFS)
	}
}

// Without the privilege to make nodes, file access is restricted too.
func TestOpenWithoutPermission(t *testing.T) {
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	as := func(uid int) {
		if _, err := unix.SetfsuidRetUid(uid); err != nil {
			t.Fatal(err)
		}
	}
	as(nobody)
	ctl, err := Open()
	as(0)
	if !errors.Is(err, devices.ErrPermission) {
		t.Errorf("with the node: %v, %v, want %v", ctl, err, devices.ErrPermission)
	}

	withoutControlNode(t)
	as(nobody)
	ctl, err = Open()
	as(0)
	if !errors.Is(err, devices.ErrNoControlNode) || !strings.Contains(err.Error(), "mknod") {
		t.Errorf("without the node: %v, %v, want %v, and that it cannot be made", ctl, err, devices.ErrNoControlNode)
	}
}
