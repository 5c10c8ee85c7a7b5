//go:build linux && lab

// The demonstration is also a test, and continues after its end: the kernel
// uses the stores again. Machines are booted here: go test -tags lab.

package demo

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
)

func TestTwoKernelsCrash(t *testing.T) {
	stock, leak, err := Kernels(lab.UML)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := NewStage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	endings, err := stage.PlayBoth(t.Context(), [2]Kernel{stock, leak}, func(column int, step scene.Step, text string) {
		t.Logf("%d %s: %s", column, step, text)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Judge(endings[0], endings[1]); err != nil {
		t.Error(err)
	}
	if got := endings[1].Version; got != variant.Leaky.Version {
		t.Errorf("the leaky kernel's version is %s, want %s", got, variant.Leaky.Version)
	}
	for _, e := range endings {
		got, err := stage.Activate(t.Context(), stock, e)
		if err != nil {
			t.Errorf("activate what the %s kernel left: %v", e.Kernel, err)
			continue
		}
		want := Status{State: "active", Figures: e.Report.Usage.Figures}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: verify and the kernel's status line differ (-verify +kernel):\n%s", e.Kernel, diff)
		}
	}
}
