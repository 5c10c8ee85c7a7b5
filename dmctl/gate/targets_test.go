package gate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTargets(t *testing.T) {
	const output = `WARNING: something from another program
zero             v1.2.0
snapshot-merge   v1.5.0
snapshot-origin  v1.9.0
snapshot         v1.16.0

error            v1.6.0
`
	got, err := ParseTargets(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Version{
		"zero": {1, 2, 0}, "snapshot-merge": {1, 5, 0}, "snapshot-origin": {1, 9, 0}, "snapshot": {1, 16, 0}, "error": {1, 6, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTargetsOfDMSnapshot: a store belongs to a snapshot and to a merge, not to an
// origin.
func TestTargetsOfDMSnapshot(t *testing.T) {
	for name, want := range map[string]struct{ is, store bool }{
		"snapshot": {true, true}, "snapshot-merge": {true, true}, "snapshot-origin": {true, false},
		"snapshot-": {}, "snapshots": {}, "Snapshot": {}, "linear": {}, "crypt": {}, "": {},
	} {
		if is, store := IsSnapshotTarget(name), HasStore(name); is != want.is || store != want.store {
			t.Errorf("%q: %v, %v", name, is, store)
		}
	}
}

func TestParseTargetsRefuses(t *testing.T) {
	for _, test := range []struct{ output, want string }{
		{"", "has none"},
		{"No such file or directory\n", "has none"},
		{"snapshot\n", "line 1"},
		{"zero v1.2.0\nsnapshot v1.16\n", "line 2"},
		{"snapshot v1.16.0 extra\n", "line 1"},
		{"snapshot v1.16.0\nsnapshot v1.11.1\n", "1.11.1 here and 1.16.0 above"},
		{strings.Repeat("x v1.0.0\n", maxTargets+1), "more than 4096 lines"},
		{strings.Repeat("x", 1<<20), "line 1"},
	} {
		_, err := ParseTargets(strings.NewReader(test.output))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseTargets(%.40q): %v, want an error with %q", test.output, err, test.want)
		}
	}
}

func FuzzParseTargets(f *testing.F) {
	f.Add([]byte("zero             v1.2.0\nsnapshot         v1.16.0\n"))
	f.Add([]byte("snapshot v1.11"))
	f.Fuzz(func(t *testing.T, output []byte) {
		targets, err := ParseTargets(bytes.NewReader(output))
		if (err == nil) != (len(targets) > 0) {
			t.Fatalf("%d targets with error %v", len(targets), err)
		}
	})
}
