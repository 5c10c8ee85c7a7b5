package table

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// The output of dmsetup table for many devices. Lines are those of the output;
// words count from after the name.
func TestLintDevices(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"two devices", "a: 0 8 zero\na: 8 8 zero\nvg-b\\x20c: 0 8 zero\n", ""},
		{"one without names", "0 8 zero\n8 8 zero\n", ""},
		{"names like numbers", "1: 0 8 zero\n2: 0 8 zero\n", ""},
		{"a name with a colon and a space", "a:b c: 0 8 zero\n", ""},
		{"no devices", "No devices found\n", ""},
		{"nothing", "", `line 1: the table is empty`},
		{"a gap is within a device", "a: 0 8 zero\na: 9 8 zero\nb: 8 8 zero\n",
			`line 2, device "a", word 1: there is a gap: the line starts at sector 9, the previous one ends at 8` + "\n" +
				`line 3, device "b", word 1: there is a gap: the line starts at sector 8, the previous one ends at 0`},
		{"a word", "a: 0 8 zero 1\n", `line 1, device "a", word 4 "1": nothing may follow here`},
		{"an empty table", "a: \nb: 0 8 zero\nc:\n", `line 1, device "a": the table is empty` + "\n" + `line 3, device "c": the table is empty`},
		{"no table at all", "hello\n", `line 1, word 1 "hello": the start in sectors is not a number`},
		{"an endless line", strings.Repeat("x", 1<<20) + "\n0 8 zero\n", `line 1: the line is longer than 262144 bytes`},
		{"an endless last line", strings.Repeat("x", 1<<20), `line 1: the line is longer than 262144 bytes`},
	}
	for _, tt := range tests {
		var got []string
		err := LintDevices(strings.NewReader(tt.text), nil, func(e *SyntaxError) error { got = append(got, e.Error()); return nil })
		if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); err != nil || diff != "" {
			t.Errorf("%s: %v: %s", tt.name, err, diff)
		}
	}
}

func TestLintDevicesEndsWhereItsCallerDoes(t *testing.T) {
	enough, calls := errors.New("enough"), 0
	err := LintDevices(strings.NewReader("x\nx\nx\n"), nil, func(*SyntaxError) error { calls++; return enough })
	if err != enough || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	broken := iotest.ErrReader(enough)
	if err := LintDevices(broken, nil, func(*SyntaxError) error { return nil }); err != enough {
		t.Errorf("%v, want the reader's error", err)
	}
}

func TestLint(t *testing.T) {
	type place struct{ Line, Word int }
	const features = "0 8 snapshot 8:1 8:2 PO 8 1 discard_zeroes_cow"
	tests := []struct {
		name    string
		text    string
		version string
		want    []place
	}{
		{"fine", "# a table\n0 8 zero\n\n8 8 error\n", "", nil},
		{"empty", "# nothing\n", "", []place{{1, 0}}},
		{"every bad line", "0 8 zero 1\n8 x zero\n", "", []place{{1, 4}, {2, 2}}},
		{"gap behind a comment", "0 8 zero\n# here\n9 8 zero\n", "", []place{{3, 1}}},
		{"every gap and overlap", "0 8 zero\n9 8 zero\n8 9 zero\n20 8 zero\n", "", []place{{2, 1}, {3, 1}, {4, 1}}},
		{"late start", "8 8 zero\n", "", []place{{1, 1}}},
		{"gap behind a line whose target is wrong", "0 8 zero 1\n9 8 zero\n", "", []place{{1, 4}, {2, 1}}},
		{"gap behind a line of length 0", "0 8 zero\n8 0 linear 8:1\n9 8 zero\n", "", []place{{2, 2}, {2, 5}, {3, 1}}},
		{"what fits behind one of length 0", "0 8 zero\n8 0 zero\n8 8 zero\n", "", []place{{2, 2}}},
		{"a line of unknown length may fill a gap", "0 8 zero\n8 x zero\n16 8 zero\n24 8 zero\n33 8 zero\n", "", []place{{2, 2}, {5, 1}}},
		{"but not an overlap", "0 8 zero\nx 8 zero\n7 8 zero\n", "", []place{{2, 1}, {3, 1}}},
		{"nothing is behind one that is too long", "0 8 zero\n8 18446744073709551615 zero\n9 8 zero\n", "", []place{{2, 2}}},
		{"stripes and features", "0 101 striped 2 8 8:1 0 8:2 0\n101 8 snapshot 8:1 8:1 PO 8", "1.14.0", []place{{1, 2}, {2, 5}, {2, 6}}},
		{"all is known", features, "1.16.0", nil},
		{"no version, no complaint", features, "", nil},
		{"features are too new", "0 8 snapshot 8:1 8:2 P 8 1 discard_zeroes_cow", "1.15.0", []place{{1, 8}}},
		{"PO is too new", "0 8 snapshot-merge 8:1 8:2 PO 8", "1.14.0", []place{{1, 6}}},
		{"both", "0 8 snapshot 8:1 8:2 PO 8\n9 8 zero", "1.14.0", []place{{1, 6}, {2, 1}}},
	}
	for _, tt := range tests {
		var version *gate.Version
		if tt.version != "" {
			v, err := gate.ParseVersion(tt.version)
			if err != nil {
				t.Fatal(err)
			}
			version = &v
		}
		var got []place
		for _, p := range Lint(tt.text, version) {
			got = append(got, place{p.Line, p.Word})
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
