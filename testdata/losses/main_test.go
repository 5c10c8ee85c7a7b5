package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const log = `=== RUN   TestLosses
    losses_kernel_test.go:70: losses: uml leaky 8 512 1
    losses_kernel_test.go:70: losses: uml leaky 8 512 0
    losses_kernel_test.go:70: losses: uml fixed 8 512 0
    losses_kernel_test.go:70: losses: uml leaky 32 512 99
    losses_kernel_test.go:70: losses: smp leaky 8 512 5
    losses_kernel_test.go:70: losses: smp leaky 32 512 0
--- PASS: TestLosses (3.00s)
`

// TestDraw: the table has each kernel at each point, with the crashes outside of
// the model's band, and the picture a mark for each crash.
func TestDraw(t *testing.T) {
	out := filepath.Join(t.TempDir(), "losses.svg")
	var table strings.Builder
	if err := draw(strings.NewReader(log), &table, out, map[string]int{"uml": 3, "smp": 2}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	if len(lines) != 2+4 || !strings.HasPrefix(lines[2], "| 8 | ") || !strings.Contains(lines[2], "| uml | 2 | 0, 1, 1 | 1 | 1.0 | 0 |") ||
		!strings.Contains(lines[4], "| uml | 1 | 99, 99, 99 | 0 | 99.0 | 1 |") ||
		!strings.Contains(lines[5], "| smp | 1 | 0, 0, 0 | 1 | - | 0 |") {
		t.Errorf("table:\n%s", table.String())
	}
	svg, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for text, n := range map[string]int{"uml: 99 chunks": 1, "smp: 0 chunks": 1, "uml: 0 chunks": 1, "the model loses": 4, "uml: 1 of 3 crashes outside of the band": 1} {
		if got := strings.Count(string(svg), text); got < n {
			t.Errorf("%q is %d times in the picture, want %d", text, got, n)
		}
	}
}

// TestLogsThatAreRefused: too few crashes, points that only one kernel has, and
// lines that are none.
func TestLogsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		log:                                     "3 crashes of the kernel",
		log + "x: losses: uml leaky 64 512 1\n": "not all kernels",
		"x: losses: uml leaky 8\n":              "is not a crash",
		"":                                      "0 crashes of the kernel",
	} {
		err := draw(strings.NewReader(text), &strings.Builder{}, "", map[string]int{"uml": 30})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
