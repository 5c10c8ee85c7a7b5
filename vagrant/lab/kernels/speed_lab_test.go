//go:build linux && lab

// How long the gate takes as a whole process: go test -tags lab -bench . The
// program is the one from make build.

package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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

// BenchmarkTenKernels judges ten kernels with compressed modules and indexes as
// long as those of a distribution's kernel.
func BenchmarkTenKernels(b *testing.B) {
	source, err := Name{lab.QEMU, "6.12"}.Find()
	if err != nil {
		b.Fatal(err)
	}
	index := longIndex(b, source.ModuleDir)
	root := b.TempDir()
	for i := range 10 {
		to := filepath.Join(root, fmt.Sprintf("lib/modules/6.12.%d-cloud", i))
		err := errors.Join(os.CopyFS(to, os.DirFS(source.ModuleDir)),
			os.WriteFile(filepath.Join(to, "modules.dep"), []byte(index), 0o644))
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		out, err := exec.Command(program, "check", "--all-kernels", "--root", root).CombinedOutput()
		if err != nil || strings.Count(string(out), "1.16.0") < 10 {
			b.Fatalf("%v: %s", err, out)
		}
	}
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
