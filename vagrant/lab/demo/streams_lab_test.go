//go:build linux && lab

package demo

import (
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
)

// TestStreamsLeakByThemselves is the leak without a slow device: on several
// CPUs, the copies of ordinary writes finish out of order.
func TestStreamsLeakByThemselves(t *testing.T) {
	stock, leaky, err := Kernels(lab.QEMU)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := NewStage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	bounds := Streams{Stock: 3, Tries: 30}
	if err := bounds.Crash(t.Context(), stage, [2]Kernel{stock, leaky}, func(n int, tries []Try) {
		for _, try := range tries {
			t.Logf("crash %d: %s after %v", n, try.Kernel, try)
		}
	}); err != nil {
		t.Error(err)
	}
}
