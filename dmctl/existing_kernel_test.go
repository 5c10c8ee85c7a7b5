//go:build linux && kernel

package dmctl

// Another snapshot of an origin that is already a snapshot-origin: it shows
// the origin at one moment, no matter what the page cache held back until
// then, and for all chunk sizes.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// keepDirty stops the page cache from writing anything back by itself.
func keepDirty(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"dirty_ratio": "90", "dirty_background_ratio": "80", "dirty_expire_centisecs": "360000", "dirty_writeback_centisecs": "0",
	} {
		path := "/proc/sys/vm/" + name
		was, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(value), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.WriteFile(path, was, 0) })
	}
}

// haveOrigin makes a snapshot-origin, and returns where to write to it and its
// name for create.
type haveOrigin struct {
	name string
	make func(t *testing.T, c *Controller, disks []string) (write, origin string)
}

func origins() []haveOrigin {
	onMapped := func(t *testing.T, c *Controller, disks []string) (string, string) {
		vol := mapped(t, c, "vol", "0 32768 linear "+disks[0]+" 0")
		create(t, c, CreateRequest{Name: "first", Origin: vol, COW: disks[1], ChunkBytes: 128 << 9, Force: true})
		return vol, vol
	}
	onPlain := func(t *testing.T, c *Controller, disks []string) (string, string) {
		base := mapped(t, c, "base", "0 32768 linear "+disks[0]+" 0") // small enough to be read whole
		create(t, c, CreateRequest{Name: "first", Origin: base, COW: disks[1], ChunkBytes: 128 << 9, Force: true})
		return base, base
	}
	leftover := func(t *testing.T, c *Controller, disks []string) (string, string) {
		create(t, c, CreateRequest{Name: "gone", Origin: disks[0], COW: disks[1], ChunkBytes: 128 << 9, Force: true})
		open, err := os.Open("/dev/mapper/gone-origin")
		if err != nil {
			t.Fatal(err)
		}
		remove(t, c, "gone")
		t.Cleanup(func() { open.Close() })
		return "/dev/mapper/gone-origin", disks[0]
	}
	return []haveOrigin{{"second on mapped", onMapped}, {"second on a device", onPlain}, {"left after remove", leftover}}
}

// The page cache of the origin is full of writes that have not reached it.
func TestOneMoreSnapshotOfADirtyOrigin(t *testing.T) {
	keepDirty(t)
	for _, o := range origins() {
		for _, chunk := range []int{8, 128, 256} {
			t.Run(fmt.Sprintf("%s, chunk %d", o.name, chunk), func(t *testing.T) {
				c, disks := scratch(t)
				write, origin := o.make(t, c, disks)
				first := content(t, write)
				fill(t, write, 0, 16*mib, 1)
				f, err := os.OpenFile(write, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close() // closing it earlier would write it back
				second := noise(16*mib, 2)
				if _, err := f.WriteAt(second, 0); err != nil {
					t.Fatal(err)
				}
				create(t, c, CreateRequest{Name: "s", Origin: origin, COW: disks[2], ChunkBytes: int64(chunk) << 9, Force: true})
				same(t, "the snapshot", content(t, "/dev/mapper/s"), second)
				third := noise(16*mib, 3)
				for off := 0; off < len(third); off += 12 << 10 { // every third block of 4 KiB, then all
					copyInto(t, f, third[off:off+4096], int64(off))
				}
				same(t, "the snapshot, after some writes", content(t, "/dev/mapper/s"), second)
				copyInto(t, f, third, 0)
				same(t, "the snapshot, after many writes", content(t, "/dev/mapper/s"), second)
				same(t, "the origin", content(t, write), third)
				if o.name != "left after remove" {
					same(t, "the first snapshot", content(t, "/dev/mapper/first"), first)
				}
			})
		}
	}
}

// copyInto writes and waits until the data is on the device.
func copyInto(t *testing.T, f *os.File, b []byte, off int64) {
	t.Helper()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	if off%(1<<20) == 0 {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file system that is mounted on the origin, with files that have not been
// written back.
func TestOneMoreSnapshotBelowAFileSystem(t *testing.T) {
	keepDirty(t)
	for _, o := range origins() {
		t.Run(o.name, func(t *testing.T) {
			c, disks := scratch(t)
			dir := t.TempDir()
			live, frozen := filepath.Join(dir, "live"), filepath.Join(dir, "frozen")
			write, origin := o.make(t, c, disks)
			command(t, "mkfs.ext4", "-q", "-F", write, "16M")
			mount(t, write, live, 0)
			for i, text := range []string{"old", "new"} {
				for n := range 40 {
					if err := os.WriteFile(filepath.Join(live, strconv.Itoa(n)), bytes.Repeat([]byte(text+"\n"), 32<<10), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if i == 0 {
					unix.Sync()
				}
			}
			create(t, c, CreateRequest{Name: "s", Origin: origin, COW: disks[2], ChunkBytes: 8 << 9, Force: true})
			image := content(t, "/dev/mapper/s")
			if image[1024+0x60]&4 != 0 { // EXT4_FEATURE_INCOMPAT_RECOVER
				t.Error("the file system on the snapshot needs recovery: it was not frozen")
			}
			for n := range 40 {
				if err := os.WriteFile(filepath.Join(live, strconv.Itoa(n)), bytes.Repeat([]byte("last\n"), 20<<10), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			unix.Sync()
			same(t, "the snapshot, after writes", content(t, "/dev/mapper/s"), image)
			command(t, "fsck.ext4", "-f", "-n", "/dev/mapper/s")
			mount(t, "/dev/mapper/s", frozen, unix.MS_RDONLY)
			for n := range 40 {
				got, err := os.ReadFile(filepath.Join(frozen, strconv.Itoa(n)))
				if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("new\n"), 32<<10)) {
					t.Fatalf("file %d on the snapshot: %d bytes, %d old, %v", n, len(got), bytes.Count(got, []byte("old")), err)
				}
			}
			unmount(t, frozen)
			unmount(t, live)
		})
	}
}
