//go:build linux && lab

// How long the gate takes as a whole process: go test -tags lab -bench . The
// program is the one from make build.

package kernels

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
)

const program = "../../../bin/dmsnapctl"

// BenchmarkVersion judges a version.
func BenchmarkVersion(b *testing.B) {
	for b.Loop() {
		if out, err := exec.Command(program, "check", "--target-version", "1.16.0").CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// BenchmarkTenKernels judges ten kernels, and the one of them that boots next. They
// have compressed modules, and indexes and initramfs as long as those of a
// distribution's kernel.
func BenchmarkTenKernels(b *testing.B) {
	source, err := Name{lab.QEMU, "6.12"}.Find()
	if err != nil {
		b.Fatal(err)
	}
	index := longIndex(b, source.ModuleDir)
	root := b.TempDir()
	if err := os.Mkdir(filepath.Join(root, "boot"), 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range 10 {
		release := anotherRelease(source.Release, i)
		to := filepath.Join(root, "lib/modules", release)
		module := moduleFor(b, source, release)
		err := errors.Join(os.CopyFS(to, os.DirFS(source.ModuleDir)),
			os.WriteFile(filepath.Join(to, "modules.dep"), []byte(index), 0o644),
			os.WriteFile(filepath.Join(to, snapshotModule), module, 0o644),
			os.WriteFile(filepath.Join(root, "boot/vmlinuz-"+release), nil, 0o644),
			os.WriteFile(filepath.Join(root, "boot/initrd.img-"+release), initramfs(b, release, module), 0o644))
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := os.Symlink("boot/vmlinuz-"+anotherRelease(source.Release, 9), filepath.Join(root, "vmlinuz")); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		flag   string
		judged int
	}{{"--all-kernels", 10}, {"--next", 1}} {
		b.Run(c.flag, func(b *testing.B) {
			for b.Loop() {
				out, err := exec.Command(program, "check", c.flag, "--root", root).CombinedOutput()
				if err != nil || strings.Count(string(out), "1.16.0") < c.judged {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}

// snapshotModule is the module below the directory of a kernel.
const snapshotModule = "kernel/drivers/md/dm-snapshot.ko.xz"

// anotherRelease returns a release like one of 6.12, with as many letters: 6.10 to
// 6.19.
func anotherRelease(release string, i int) string {
	return strings.Replace(release, ".12.", fmt.Sprintf(".1%d.", i), 1)
}

// moduleFor returns the snapshot module of a kernel, as one of another release.
func moduleFor(b *testing.B, source Kernel, release string) []byte {
	data, err := os.ReadFile(filepath.Join(source.ModuleDir, snapshotModule))
	if err != nil {
		b.Fatal(err)
	}
	z, err := xz.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	module, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	was := []byte("vermagic=" + source.Release + " ")
	if !bytes.Contains(module, was) {
		b.Fatalf("no %q in the module", was)
	}
	var packed bytes.Buffer
	w, err := xz.NewWriter(&packed)
	if err != nil {
		b.Fatal(err)
	}
	_, err = w.Write(bytes.ReplaceAll(module, was, []byte("vermagic="+release+" ")))
	if err := errors.Join(err, w.Close()); err != nil {
		b.Fatal(err)
	}
	return packed.Bytes()
}

// initramfs returns one with 2500 files, 80 MiB in all, packed with zstd to a
// third of that, and the module.
func initramfs(b *testing.B, release string, module []byte) []byte {
	const files, size = 2500, 32 << 10
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		b.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{})
	content := []byte(strings.Repeat("a line that is the same in all files, before other\n", size/52+1))[:size]
	for i := range files {
		for at := 0; at+64 <= size; at += 64 {
			_, _ = random.Read(content[at : at+20]) // it never fails
		}
		err = errors.Join(err, addToArchive(z, fmt.Sprintf("usr/lib/file%04d", i), content))
	}
	err = errors.Join(err, addToArchive(z, "usr/lib/modules/"+release+"/"+snapshotModule, module),
		addToArchive(z, "TRAILER!!!", nil), z.Close())
	if err != nil {
		b.Fatal(err)
	}
	return packed.Bytes()
}

// addToArchive writes a regular file of a cpio archive: the header of the new
// ASCII format, the name and the content, each padded to four bytes
// (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).
func addToArchive(w io.Writer, name string, content []byte) error {
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	padded := func(data []byte) []byte { return append(data, make([]byte, -len(data)&3)...) }
	_, err := w.Write(append(padded([]byte(header)), padded(bytes.Clone(content))...))
	return err
}

// longIndex returns a modules.dep with the modules in dir and enough others for
// the 800 kB of a full kernel's.
func longIndex(b *testing.B, dir string) string {
	var s strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&s, "kernel/drivers/net/ethernet/vendor/driver%04d.ko.xz: kernel/drivers/net/phy/libphy.ko.xz kernel/net/core/pool.ko.xz kernel/lib/crc.ko.xz\n", i)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.Contains(e.Name(), ".ko") {
			rel, _ := filepath.Rel(dir, path)
			fmt.Fprintf(&s, "%s:\n", rel)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return s.String()
}
