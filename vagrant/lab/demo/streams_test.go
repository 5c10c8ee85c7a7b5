//go:build linux

package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// goodTries are crashes as expected.
func goodTries(t *testing.T) (stock, leaky Try) {
	t.Helper()
	s, l := good(t)
	return Try{1500 * time.Millisecond, s}, Try{1500 * time.Millisecond, l}
}

func TestTryInOneLine(t *testing.T) {
	stock, leaky := goodTries(t)
	for want, try := range map[string]Try{
		"1.5 s: clean, 200 exceptions":            stock,
		"1.5 s: leaked, 256 exceptions, 7 chunks": leaky,
	} {
		if diff := cmp.Diff(want, try.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEachCrashIsJudged(t *testing.T) {
	leakless := func(l *Try) { l.Report.Verdict, l.Report.Exit, l.Report.Leaks.Chunks = "clean", 0, 0 }
	for _, test := range []struct {
		name  string
		spoil func(stock, leaky *Try)
		wrong string // the kernel
	}{
		{"as expected", func(_, _ *Try) {}, ""},
		{"the leaky kernel had luck", func(_, l *Try) { leakless(l) }, ""},
		{"the stock kernel leaks", func(s, _ *Try) { s.Report.Verdict, s.Report.Exit, s.Report.Leaks.Chunks = "leaked", 1, 1 }, "stock"},
		{"the stock kernel's store is damaged", func(s, _ *Try) { s.Report.Verdict, s.Report.Exit = "corrupt", 2 }, "stock"},
		{"the stock target is not fixed", func(s, _ *Try) { s.Gate = "leaky" }, "stock"},
		{"the leaky kernel's store is damaged", func(_, l *Try) { l.Report.Verdict, l.Report.Exit = "corrupt", 2 }, "leaky"},
		{"the leaky target is fixed", func(_, l *Try) { leakless(l); l.Gate = "fixed" }, "leaky"},
	} {
		stock, leaky := goodTries(t)
		test.spoil(&stock, &leaky)
		for _, try := range []Try{stock, leaky} {
			if err := try.judge(); (err != nil) != (try.Kernel == test.wrong) {
				t.Errorf("%s: %s: %v", test.name, try.Kernel, err)
			}
		}
	}
}

func TestCrashesThatTell(t *testing.T) {
	try, _ := goodTries(t)
	for n, want := range map[uint64]bool{0: false, 255: false, 256: true, scene.StreamsChunks - 1: true, scene.StreamsChunks: false} {
		try.Report.Usage.Exceptions = n
		if try.Tells() != want {
			t.Errorf("%d exceptions: %v, want %v", n, !want, want)
		}
	}
}

func TestStreamsNeedAKernel(t *testing.T) {
	t.Setenv("DMSNAPCTL_CACHE", t.TempDir())
	var out strings.Builder
	if err := new(Stage).showStreams(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "not shown: kernel qemu-6.12 is not here; run: bin/lab setup -kernels qemu-6.12\n") {
		t.Errorf("said %q", out.String())
	}
}
