package table

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

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
