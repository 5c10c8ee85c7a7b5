//go:build linux && lab

// How long all kernels of a machine take: go test -tags lab -bench .

package distro

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
)

// BenchmarkTenKernels judges ten kernels with packed modules.
func BenchmarkTenKernels(b *testing.B) {
	source, err := Find()
	if err != nil {
		b.Fatal(err)
	}
	modules, err := filepath.Glob(filepath.Join(source, "lib/modules/*"))
	if err != nil || len(modules) != 1 {
		b.Fatalf("modules in %s: %v, %v", source, modules, err)
	}
	root := b.TempDir()
	for i := range 10 {
		if err := os.CopyFS(filepath.Join(root, fmt.Sprintf("lib/modules/6.12.%d-cloud", i)), os.DirFS(modules[0])); err != nil {
			b.Fatal(err)
		}
	}
	tree, err := installed.OpenTree(root)
	if err != nil {
		b.Fatal(err)
	}
	defer tree.Close()
	for b.Loop() {
		m, err := installed.Scan(tree, "")
		if err != nil || len(m.Kernels) != 10 || m.Verdict() != gate.Fixed {
			b.Fatalf("%+v, %v", m, err)
		}
	}
}
