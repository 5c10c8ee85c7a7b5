package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNoticed: packages are tested in order until a test fails, and in full
// only if none fails in the quick form. What fails in full must pass without
// the mutant.
func TestNoticed(t *testing.T) {
	const failed = "--- FAIL: TestX (0.00s)\nFAIL\n"
	for _, tc := range []struct {
		name  string
		fails map[string]string // what go prints where it fails
		by    string
		err   string // part of the error
		ran   []string
	}{
		{"quick", map[string]string{"quick a": failed}, "TestX", "", []string{"quick a"}},
		{"the second", map[string]string{"quick b": failed}, "TestX", "", []string{"quick a", "quick b"}},
		{"only in full", map[string]string{"full b": failed}, "TestX", "", []string{"quick a", "quick b", "full a", "full b", "without b"}},
		{"survives", nil, "", "", []string{"quick a", "quick b", "full a", "full b"}},
		{"unsound", map[string]string{"full a": failed, "without a": failed}, "", "without a mutant", []string{"quick a", "quick b", "full a", "without a"}},
		{"no tests were built", map[string]string{"quick a": "FAIL a [build failed]\n"}, "", "does not compile", []string{"quick a"}},
		{"a crash", map[string]string{"quick a": "panic: x\nFAIL a 0.01s\n"}, "the program ended", "", []string{"quick a"}},
		{"no result", map[string]string{"quick a": "killed\n"}, "", "without a result", []string{"quick a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var ran []string
			run := func(full bool, args ...string) (string, error) {
				what := map[bool]string{false: "quick ", true: "full "}[full]
				if !slices.Contains(args, "-overlay") {
					what = "without "
				}
				what += args[len(args)-1]
				ran = append(ran, what)
				if out := tc.fails[what]; out != "" {
					return out, &exec.ExitError{}
				}
				return "ok\n", nil
			}
			by, err := mutant{Packages: []string{"a", "b"}}.noticed(run, "overlay.json")
			if by != tc.by || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("noticed by %q, %v; want %q, %q", by, err, tc.by, tc.err)
			}
			if diff := cmp.Diff(tc.ran, ran); diff != "" {
				t.Errorf("(-want +ran):\n%s", diff)
			}
		})
	}
}
