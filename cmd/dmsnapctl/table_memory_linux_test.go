package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
)

// repeated is a text repeated up to a length in bytes.
func repeated(text string, bytes int) io.Reader {
	return io.MultiReader(func() (parts []io.Reader) {
		for range bytes / len(text) {
			parts = append(parts, strings.NewReader(text))
		}
		return parts
	}()...)
}

// TestMemoryOfLint: no input on stdin makes memory exceed its bounds.
func TestMemoryOfLint(t *testing.T) {
	const most = 64 << 10 // KiB
	for name, text := range map[string]string{
		"devices":       strings.Repeat("vg-root: 0 8 linear 8:1 0\nsnap: 0 8 snapshot 8:1 8:2 P 8\n", 1000),
		"problems":      strings.Repeat("x: 0 8 zero 1 2 3\n", 1000),
		"words":         "0 8 linear " + strings.Repeat("a ", 125_000) + "\n",
		"one long line": strings.Repeat("a", 1<<16),
	} {
		for _, format := range []string{"json", "text"}[:thorough.Of(1, 2)] {
			args := []string{"table", "lint", "-"}
			if format == "json" {
				args = append(args, "--json")
			}
			var stderr bytes.Buffer
			child := exec.Command("dmsnapctl-and-peak", args...)
			child.Stdin, child.Stderr = repeated(text, thorough.Of(1, 3)<<20), &stderr
			if err := child.Run(); err != nil {
				t.Fatalf("%s: %v: %s", name, err, &stderr)
			}
			peak := 0
			if _, err := fmt.Sscanf(stderr.String(), "VmHWM: %d kB", &peak); err != nil {
				t.Fatalf("%s: %v: %q", name, err, &stderr)
			}
			t.Logf("%s as %s: %d KiB", name, format, peak)
			if peak > most {
				t.Errorf("%s as %s: peak of memory %d KiB, want %d at most", name, format, peak, most)
			}
		}
	}
}
