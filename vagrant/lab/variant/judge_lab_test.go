//go:build linux && lab

// The gate, tested with real builds of the kernel: go test -tags lab.

package variant_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
)

// The modules of the lab's kernel: the distribution's, and the leaky one.
func TestModulesOfTheLab(t *testing.T) {
	kernel, err := kernels.Defaults[lab.UML].Find()
	if err != nil {
		t.Fatal(err)
	}
	leakyModule, err := variant.Leaky.Find(kernel)
	if err != nil {
		t.Fatal(err)
	}
	stockModule := filepath.Join(kernel.ModuleDir, "kernel/drivers/md/dm-snapshot.ko")
	for file, want := range map[string]kmod.Module{
		stockModule: {Version: gate.Version{Major: 1, Minor: 16}, Release: kernel.Release, Machine: elf.EM_X86_64},
		leakyModule: {Version: gate.Version{Major: 1, Minor: 11, Patch: 1}, Release: kernel.Release, Machine: elf.EM_X86_64},
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := kmod.ReadModule(bytes.NewReader(data)); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", file, got, err, want)
		}
	}
}

// A kernel package's files as they are installed, with a packed module.
func TestKernelOfTheDistribution(t *testing.T) {
	kernel, err := kernels.Defaults[lab.QEMU].Find()
	if err != nil {
		t.Fatal(err)
	}
	root := kernel.Root()
	files, err := tree.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	machine, err := installed.Scan(files, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(machine.Kernels) != 1 {
		t.Fatalf("%d kernels in %s, want 1", len(machine.Kernels), root)
	}
	k := machine.Kernels[0]
	want := gate.Version{Major: 1, Minor: 16}
	if k.Version != want || k.Verdict != gate.Fixed || !strings.HasSuffix(k.File, ".ko.xz") || !strings.HasPrefix(k.Release, kernel.Name.Series+".") {
		t.Errorf("%+v, want version %v out of a .ko.xz", k, want)
	}
	// Its image unpacks, and has no snapshot target built in.
	image, err := os.ReadFile(filepath.Join(root, "boot", "vmlinuz-"+k.Release))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := kmod.ReadImage(bytes.NewReader(image)); !errors.Is(err, kmod.ErrNoTarget) {
		t.Errorf("the image: %v, %v, want %v", v, err, kmod.ErrNoTarget)
	}
}
