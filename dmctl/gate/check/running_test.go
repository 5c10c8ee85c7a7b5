package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

// The result if the kernel refuses.
func TestRunningKernelThatRefuses(t *testing.T) {
	root := t.TempDir()
	modules := filepath.Join(root, "lib/modules", installed.RunningRelease(), "kernel/drivers/md")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	ask := func(load bool, err error) Kernel {
		result := Run(Request{Root: root, Load: load, Ask: func(asked bool) (gate.Version, error) {
			if asked != load {
				t.Errorf("the kernel was asked with load %v, want %v", asked, load)
			}
			return gate.Version{Major: 1, Minor: 16}, err
		}})
		return result.Kernels[0]
	}
	if k := ask(false, nil); k.Verdict != gate.Fixed || k.Source != FromRunning || !k.Running {
		t.Errorf("an answer: %+v, want fixed", k)
	}
	missing := fmt.Errorf("find it: %w", dmctl.ErrNoTarget)
	if k := ask(false, missing); k.Verdict != gate.Unknown || k.Source != FromRunning || !strings.Contains(k.Rule, "not judged") {
		t.Errorf("without a module: %+v, want unknown, and why its module was not judged", k)
	}
	if k := ask(false, dmctl.ErrNoDeviceMapper); k.Verdict != gate.Unknown || !strings.Contains(k.Rule, "container") {
		t.Errorf("without device mapper: %+v, want unknown, and why", k)
	}
	if err := os.WriteFile(filepath.Join(modules, "dm-snapshot.ko.xz"), treetest.Module(t, treetest.Fixture(t, "amd64-leaky.ko.xz"), installed.RunningRelease()), 0o644); err != nil {
		t.Fatal(err)
	}
	if k := ask(false, missing); k.Verdict != gate.Leaky || k.Source != FromModule || !k.Running || !strings.Contains(k.Rule, "not loaded") {
		t.Errorf("with a module: %+v, want leaky by the module", k)
	}
	if k := ask(true, missing); k.Verdict != gate.Unknown {
		t.Errorf("where it was to be loaded: %+v, want unknown", k)
	}
}
