package table

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One line of every kind, as the kernel prints it.
var lines = []struct {
	text string
	want Target
}{
	{"0 2048 linear 8:1 0", Target{0, 2048, Linear{"8:1", 0}}},
	{`0 8 linear /dev/a\ b\\c 16`, Target{0, 8, Linear{`/dev/a b\c`, 16}}},
	{"0 1024 striped 2 128 8:1 0 8:2 64", Target{0, 1024, Striped{128, []Stripe{{"8:1", 0}, {"8:2", 64}}}}},
	{"5 8 zero", Target{5, 8, Zero{}}},
	{"0 8 error", Target{0, 8, Error{}}},
	{"0 8 error 8:1 0", Target{0, 8, Opaque{"error", "8:1 0"}}},
	{"0 8 delay 8:1 0 5", Target{0, 8, Delay{[]DelayLeg{{"8:1", 0, 5}}}}},
	{"0 8 delay 8:1 0 0 8:1 0 3000 8:1 0 0", Target{0, 8, Delay{[]DelayLeg{{"8:1", 0, 0}, {"8:1", 0, 3000}, {"8:1", 0, 0}}}}},
	{"0 8 flakey 8:1 0 5 1", Target{0, 8, Flakey{Device: "8:1", Up: 5, Down: 1}}},
	{"0 8 flakey 8:1 0 5 1 1 drop_writes", Target{0, 8, Flakey{"8:1", 0, 5, 1, []string{"drop_writes"}}}},
	{"0 8 dust 8:1 0 512", Target{0, 8, Dust{"8:1", 0, 512}}},
	{"0 8 log-writes 8:1 8:2", Target{0, 8, LogWrites{"8:1", "8:2"}}},
	{"0 8 snapshot-origin 8:1", Target{0, 8, SnapshotOrigin{"8:1"}}},
	{"0 8 snapshot 8:1 8:2 P 8", Target{0, 8, Snapshot{"8:1", "8:2", Persistent, 8, nil}}},
	{"0 8 snapshot 8:1 8:2 PO 32 2 discard_zeroes_cow discard_passdown_origin",
		Target{0, 8, Snapshot{"8:1", "8:2", PersistentOverflow, 32, []string{DiscardZeroesCOW, DiscardPassdownOrigin}}}},
	{"0 8 snapshot 8:1 8:2 N 2097152", Target{0, 8, Snapshot{"8:1", "8:2", Transient, 1 << 21, nil}}},
	{"0 8 snapshot-merge 8:1 8:2 P 8", Target{0, 8, SnapshotMerge{"8:1", "8:2", Persistent, 8, nil}}},
	{"0 8 thin 253:2 1", Target{0, 8, Opaque{"thin", "253:2 1"}}},
}

func TestLinesBothWays(t *testing.T) {
	for _, tt := range lines {
		got, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(Table{tt.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if s := got.String(); s != tt.text+"\n" {
			t.Errorf("%s comes back as %s", tt.text, s)
		}
	}
}

func TestParseAsDmsetup(t *testing.T) {
	got, err := Parse("\n# comment\n  0 8 snapshot 8:1   8:2 po 8 0 \n\t8 8 flakey 8:1 0 5 1 0 \r\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Table{
		{0, 8, Snapshot{Origin: "8:1", COW: "8:2", Store: PersistentOverflow, ChunkSize: 8}},
		{8, 8, Flakey{Device: "8:1", Up: 5, Down: 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		text       string
		line, word int
	}{
		{"0", 1, 2},
		{"x 8 zero", 1, 1},
		{"0 0 zero", 1, 2},
		{"+0 8 zero", 1, 1},
		{"1 18446744073709551615 zero", 1, 2},
		{"0 18446744073709551616 zero", 1, 2},
		{"0 8", 1, 3},
		{"0 8 a-type-of-sixteen", 1, 3},
		{"0 8 zero 1", 1, 4},
		{"\n0 8 linear 8:1", 2, 5},
		{"0 8 linear 8:1 0 0", 1, 6},
		{"0 8 linear 8:1 1.5", 1, 5},
		{"0 8 striped 0 8", 1, 4},
		{"0 8 striped 4294967295 8 8:1 0", 1, 8},
		{"0 8 delay 8:1 0", 1, 6},
		{"0 8 delay 8:1 0 0 8:1 0", 1, 9},
		{"0 8 flakey 8:1 0 5 1 2 drop_writes", 1, 8},
		{"0 8 snapshot 8:1 8:2 Q 8", 1, 6},
		{"0 8 snapshot 8:1 8:2 P 65", 1, 7},
		{"0 8 snapshot 8:1 8:2 P 4194304", 1, 7},
		{"0 8 snapshot 8:1 8:2 P 8 1 discard", 1, 9},
		{"0 8 snapshot 8:1 8:2 P 8 1 discard_passdown_origin", 1, 9},
		{"0 8 snapshot 8:1 8:2 P 8 2 discard_zeroes_cow discard_zeroes_cow", 1, 10},
		{"0 8 snapshot-origin", 1, 4},
	}
	for _, tt := range tests {
		_, err := Parse(tt.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: error %v", tt.text, err)
			continue
		}
		if syntax.Line != tt.line || syntax.Word != tt.word {
			t.Errorf("%q: %v; want line %d, word %d", tt.text, err, tt.line, tt.word)
		}
	}
}

// Tables that the kernel's constructors refuse. The kernel test checks that.
var refused = []struct {
	target Target
	word   int
}{
	{Target{0, 101, Striped{8, []Stripe{{"8:1", 0}, {"8:2", 0}}}}, 2},
	{Target{0, 2048, Striped{128, []Stripe{{"8:1", 0}, {"8:2", 0}, {"8:3", 0}}}}, 2}, // not by 3
	{Target{0, 2052, Striped{128, []Stripe{{"8:1", 0}, {"8:2", 0}}}}, 2},             // by 2, not by 128
	{Target{0, 2048, Flakey{Device: "8:1"}}, 7},
	{Target{0, 2048, Flakey{Device: "8:1", Up: 1<<32 - 1, Down: 1}}, 7},
	{Target{0, 2048, Flakey{"8:1", 0, 1, 1, []string{"drop_writes", "error_writes"}}}, 10},
	{Target{0, 2048, Flakey{"8:1", 0, 1, 1, []string{"error_writes", "ERROR_WRITES"}}}, 10},
	{Target{0, 2048, Dust{"8:1", 0, 1000}}, 6},
	{Target{0, 2048, Dust{"8:1", 0, 0}}, 6},
	{Target{0, 2048, Dust{"8:1", 0, 256}}, 6},
	{Target{0, 2048, Dust{"8:1", 0, 2 << 20}}, 6}, // larger than the line
	{Target{0, 8 << 20, Dust{"8:1", 0, 2 << 30}}, 6},
	{Target{0, 2048, Snapshot{"8:1", "8:1", Persistent, 8, nil}}, 5},
	{Target{0, 2048, Snapshot{"8:1", "8:2", Transient, 0, nil}}, 7},
	{Target{0, 2048, SnapshotMerge{"8:1", "8:1", Persistent, 8, nil}}, 5},
}

// Similar tables that they accept.
var accepted = []Target{
	{0, 102, Striped{51, []Stripe{{"8:1", 0}, {"8:2", 0}}}},
	{0, 2052, Striped{171, []Stripe{{"8:1", 0}, {"8:2", 0}, {"8:3", 0}}}},
	{0, 2048, Flakey{Device: "8:1", Up: 1}},
	{0, 2048, Flakey{Device: "8:1", Down: 1<<32 - 1}},
	{0, 2048, Flakey{"8:1", 0, 1, 1, []string{"corrupt_bio_byte", "1", "r", "0", "0"}}},
	{0, 2048, Dust{"8:1", 0, 1 << 20}},
	{0, 2048, Snapshot{"8:1", "8:2", Persistent, 0, nil}},
}

func TestRules(t *testing.T) {
	for _, tt := range refused {
		line := tt.target.String()
		for what, err := range map[string]error{"parsed": errorOf(Parse(line)), "checked": Table{tt.target}.Check(512)} {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Line != 1 || syntax.Word != tt.word {
				t.Errorf("%s, %s: %v; want word %d", line, what, err, tt.word)
			}
		}
		// What the kernel prints is taken as it is.
		if got := SpecOf(tt.target.Spec.Type(), tt.target.Spec.Params()); got.Type() != tt.target.Spec.Type() {
			t.Errorf("%s: is %v when the kernel says so", line, got)
		}
	}
	merge := Single(8, SnapshotMerge{"8:1", "8:2", Transient, 8, nil})
	if err := merge.Check(512); err == nil { // the kernel refuses it, or crashes: not for the kernel test
		t.Error("a transient store can be merged")
	}
	for _, target := range accepted {
		if err := errors.Join(errorOf(Parse(target.String())), Table{target}.Check(512)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func errorOf(_ Table, err error) error { return err }

func TestCheck(t *testing.T) {
	tests := []struct {
		name       string
		table      Table
		block      int
		line, word int // 0, 0: fits
	}{
		{"one", Single(8, Zero{}), 4096, 0, 0},
		{"two", Table{{0, 8, Zero{}}, {8, 1, Zero{}}}, 512, 0, 0},
		{"none", nil, 512, 1, 0},
		{"late start", Table{{8, 8, Zero{}}}, 512, 1, 1},
		{"gap", Table{{0, 8, Zero{}}, {9, 8, Zero{}}}, 512, 2, 1},
		{"overlap", Table{{0, 8, Zero{}}, {7, 8, Zero{}}}, 512, 2, 1},
		{"nothing", Table{{0, 0, Zero{}}}, 512, 1, 2},
		{"wraps", Table{{0, 8, Zero{}}, {8, maxSectors, Zero{}}}, 512, 2, 2},
		{"unaligned length", Table{{0, 7, Zero{}}}, 4096, 1, 2},
		{"unaligned start", Table{{0, 8, Zero{}}, {8, 4, Zero{}}, {12, 8, Zero{}}}, 2048, 0, 0},
	}
	for _, tt := range tests {
		err := tt.table.Check(tt.block)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			syntax = &SyntaxError{}
		}
		if syntax.Line != tt.line || syntax.Word != tt.word {
			t.Errorf("%s: %v; want line %d, word %d", tt.name, err, tt.line, tt.word)
		}
	}
}

func TestSnapshotStatus(t *testing.T) {
	tests := []struct {
		text  string
		want  SnapshotStatus
		state string
		empty bool
	}{
		{"2120/32768 24", SnapshotStatus{State: Active, Allocated: 2120, Total: 32768, Metadata: 24, HasMetadata: true}, "active", false},
		{"16/32768 16", SnapshotStatus{State: Active, Allocated: 16, Total: 32768, Metadata: 16, HasMetadata: true}, "active", true},
		{"16/32768", SnapshotStatus{State: Active, Allocated: 16, Total: 32768}, "active", false},
		{"Invalid", SnapshotStatus{State: Invalid}, "invalid", false},
		{"Overflow", SnapshotStatus{State: Overflow}, "overflow", false},
		{"Merge failed", SnapshotStatus{State: MergeFailed}, "merge-failed", false},
		{"Unknown", SnapshotStatus{State: Unknown}, "unknown", false},
	}
	for _, tt := range tests {
		got, err := ParseSnapshotStatus(tt.text + "\n")
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.text, diff)
		}
		if got.String() != tt.text || got.State.String() != tt.state || got.Empty() != tt.empty {
			t.Errorf("%s: %q, state %v, empty %v", tt.text, got, got.State, got.Empty())
		}
	}
	for _, text := range []string{"", "x", "1/", "/1", "1/2 x", "1/2 3 4", "-1/2 3", "+1/2", "invalid"} {
		if s, err := ParseSnapshotStatus(text); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, l := range lines {
		f.Add(l.text)
	}
	f.Add("# c\n0 8 zero\n8 8 error")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(first.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, first, err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("%q became %q: %s", text, first, diff)
		}
	})
}

func FuzzSnapshotStatus(f *testing.F) {
	f.Add("2120/32768 24")
	f.Add("Merge failed")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseSnapshotStatus(text)
		if err != nil {
			return
		}
		if again, err := ParseSnapshotStatus(first.String()); err != nil || again != first {
			t.Fatalf("%q is %+v, then %+v, %v", text, first, again, err)
		}
	})
}
