package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

// TestEachFileThatWasReadIsKnown, even if many kernels are judged at once.
func TestEachFileThatWasReadIsKnown(t *testing.T) {
	const kernels = 40
	root := t.TempDir()
	var modules []string
	for i := range kernels {
		release := fmt.Sprintf("6.1.0-%d-amd64", i)
		dir := filepath.Join(root, "lib/modules", release, "kernel/drivers/md")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		modules = append(modules, filepath.Join(dir, "dm-snapshot.ko"))
		if err := os.WriteFile(modules[i], treetest.Module(t, treetest.Fixture(t, "amd64.ko"), release), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := Run(Request{Subject: AllInstalled, Root: root})
	if r.Err != nil || len(r.Kernels) != kernels || r.Verdict != gate.Fixed {
		t.Fatalf("%v, %d kernels, %s", r.Err, len(r.Kernels), r.Verdict)
	}
	for _, m := range modules {
		info, err := os.Stat(m)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Read, func(f fs.FileInfo) bool { return os.SameFile(f, info) }) {
			t.Errorf("%s is not among the files that were read", m)
		}
	}
}

// TestOthersThanTheNextAreNotRead: they would take most of the time.
func TestOthersThanTheNextAreNotRead(t *testing.T) {
	root := t.TempDir()
	for _, release := range []string{"6.1.0-1-amd64", "6.1.0-2-amd64", "6.1.0-3-amd64"} {
		files := map[string][]byte{
			"boot/vmlinuz-" + release:                                      nil,
			"lib/modules/" + release + "/kernel/drivers/md/dm-snapshot.ko": treetest.Module(t, treetest.Fixture(t, "amd64.ko"), release),
		}
		for name, content := range files {
			path := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink("boot/vmlinuz-6.1.0-2-amd64", filepath.Join(root, "vmlinuz")); err != nil {
		t.Fatal(err)
	}
	r := Run(Request{Subject: NextBoot, Root: root})
	if r.Err != nil || len(r.Kernels) != 1 || r.Kernels[0].KernelRelease != "6.1.0-2-amd64" || r.Verdict != gate.Fixed {
		t.Fatalf("%v, %v, %s", r.Err, r.Kernels, r.Verdict)
	}
	modules := 0
	for _, f := range r.Read {
		if f.Name() == "dm-snapshot.ko" {
			modules++
		}
	}
	if modules != 1 {
		t.Errorf("%d modules were read, want one", modules)
	}
}
