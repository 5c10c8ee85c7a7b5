package plan

import (
	"os/exec"
	"strings"
	"testing"
)

// ignoredByPrograms returns the signals that a program started now ignores, as
// bits in hexadecimal.
func ignoredByPrograms(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", "grep ^SigIgn /proc/self/status").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// After a pause, stops work as before, also in programs that are started then.
// They are ignored until the last of several pauses ends.
func TestStopsAreIgnoredInPauses(t *testing.T) {
	before := ignoredByPrograms(t)
	paused := func(when string) {
		t.Helper()
		if got := ignoredByPrograms(t); !strings.HasSuffix(got, "380000") { // signals 20 to 22
			t.Errorf("%s: %s", when, got)
		}
	}
	for range 2 {
		first, err := ignoreStops()
		if err != nil {
			t.Fatal(err)
		}
		paused("in a pause")
		second, err := ignoreStops()
		if err != nil {
			t.Fatal(err)
		}
		first()
		paused("in the second of two")
		second()
		if got := ignoredByPrograms(t); got != before {
			t.Errorf("after them: %s, before: %s", got, before)
		}
	}
}
