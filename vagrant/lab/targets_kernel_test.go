//go:build linux && kernel

// What the kernel under test has: all kernel tests depend on it.

package lab_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

func TestScratchDisksAreThere(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS names %d disks, want at least 4", len(disks))
	}
	for _, disk := range disks {
		f, err := os.OpenFile(disk, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			t.Fatal(err)
		}
		if size < 256<<20 {
			t.Errorf("%s has %d bytes, want at least 256 MiB", disk, size)
		}
	}
}

// lab exec says which dm-snapshot it gave the kernel. A machine outside the lab
// has its own.
func TestSnapshotTargetIsTheOneAskedFor(t *testing.T) {
	c, err := dmctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.TargetVersion("snapshot", true)
	if err != nil {
		t.Fatal(err)
	}
	leaky, fixed := gate.Version{Major: 1, Minor: 11, Patch: 1}, gate.Version{Major: 1, Minor: 12}
	switch kernel := os.Getenv("DMSNAPCTL_TEST_KERNEL"); kernel {
	case "leaky":
		if got != leaky {
			t.Errorf("the leaky kernel's snapshot target is %v, want %v", got, leaky)
		}
	case "stock", "mended", "":
		if !got.AtLeast(fixed) {
			t.Errorf("the kernel's snapshot target is %v, want %v or later", got, fixed)
		}
	default:
		t.Fatalf("DMSNAPCTL_TEST_KERNEL is %q", kernel)
	}
}
