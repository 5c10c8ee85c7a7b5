package check

import (
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
