//go:build linux && kernel

// The formats, checked with the programs that read them: qemu-img and
// bmaptool. They need no special kernel, but tests that must not be skipped
// run with the kernel tests.

package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// run runs a program, which must be there and succeed.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write makes a file and fills it.
func write(t *testing.T, path string, fill func(*os.File) error) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func put(b []byte) func(*os.File) error {
	return func(f *os.File) error { _, err := f.Write(b); return err }
}

func TestQEMUTakesTheImages(t *testing.T) {
	ctx := context.Background()
	for _, chunk := range []cow.Sectors{1, 8, 128, 1 << 13} { // 512 bytes to 4 MiB
		t.Run(fmt.Sprintf("chunks of %d sectors", chunk), func(t *testing.T) {
			dir := t.TempDir()
			in := func(name string) string { return filepath.Join(dir, name) }
			f := newFixture(t, uint64(chunk), layout{chunk: chunk, origin: 11<<20 + 512, changed: 90, leaked: 3, mixed: true, zero: true})
			im := f.open(t, Options{})
			raw := write(t, in("raw"), put(f.image))
			origin := write(t, in("origin"), put(f.origin))

			full := write(t, in("full.qcow2"), func(w *os.File) error { return im.WriteQcow2(ctx, w, nil) })
			run(t, "qemu-img", "check", "-f", "qcow2", full)
			run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "raw", full, raw)
			run(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", full, in("again"))
			run(t, "cmp", in("again"), raw)

			// The snapshot's content over the origin, and the reverse.
			over := write(t, in("over.qcow2"), func(w *os.File) error {
				return im.WriteOverlay(ctx, w, Backing{"origin", "raw"}, nil, nil)
			})
			run(t, "qemu-img", "check", "-f", "qcow2", over)
			run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "raw", over, raw)
			back := write(t, in("back.qcow2"), func(w *os.File) error {
				return im.WriteOverlay(ctx, w, Backing{"full.qcow2", "qcow2"}, bytes.NewReader(f.origin), nil)
			})
			run(t, "qemu-img", "check", "-f", "qcow2", back)
			run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "raw", back, origin)

			// Overlays can be put on another image with the same content, and
			// committed into their backing image.
			run(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", origin, in("origin.qcow2"))
			run(t, "qemu-img", "rebase", "-f", "qcow2", "-F", "qcow2", "-b", in("origin.qcow2"), over)
			run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "raw", over, raw)
			run(t, "qemu-img", "commit", "-f", "qcow2", back)
			run(t, "qemu-img", "check", "-f", "qcow2", full)
			run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "raw", full, origin)
		})
	}
}

// TestBmaptoolCopiesWhatChanged: what bmaptool copies according to the map
// turns the origin into the snapshot's image.
func TestBmaptoolCopiesWhatChanged(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	f := newFixture(t, 9, layout{chunk: 8, origin: 5<<20 + 512, changed: 400, mixed: true})
	im := f.open(t, Options{})
	image, origin := write(t, in("image"), put(f.image)), write(t, in("origin"), put(f.origin))
	// bmaptool truncates a target that is a file, but not a device.
	disk, _, _ := strings.Cut(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if disk == "" {
		t.Fatal("DMSNAPCTL_TEST_DISKS names no disk")
	}
	for _, sums := range []bool{true, false} {
		bmap := write(t, in("bmap"), func(w *os.File) error {
			m := Bmap{ImageSize: im.Size(), BlockSize: im.ChunkBytes(), Spans: im.Changed()}
			if sums {
				m.Content = im
			}
			_, err := m.WriteTo(w)
			return err
		})
		run(t, "dd", "if="+origin, "of="+disk, "bs=1M", "conv=fsync")
		run(t, "bmaptool", "copy", "--bmap", bmap, image, disk)
		run(t, "cmp", "-n", fmt.Sprint(len(f.image)), image, disk)
	}
	// A wrong checksum is noticed.
	damaged := append([]byte(nil), f.image...)
	damaged[f.spec.Exceptions[0].Old*4096] ^= 1
	bmap := write(t, in("bmap"), func(w *os.File) error {
		_, err := Bmap{ImageSize: im.Size(), BlockSize: im.ChunkBytes(), Spans: im.Changed(), Content: im}.WriteTo(w)
		return err
	})
	if out, err := exec.Command("bmaptool", "copy", "--bmap", bmap, write(t, in("damaged"), put(damaged)), in("copy")).CombinedOutput(); err == nil {
		t.Errorf("a damaged image is copied: %s", out)
	}
}
