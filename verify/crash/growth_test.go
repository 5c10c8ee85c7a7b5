package crash

import (
	"context"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// TestGrowth: a COW device of 12 chunks, all of them in use, grows at a mark. The
// store may then name later chunks, and may not before.
func TestGrowth(t *testing.T) {
	const was = 12 * 8 // sectors
	for _, test := range []struct {
		name    string
		sectors cow.Sectors
		late    bool // the mark is sent when later chunks are in use
		beyond  bool
	}{
		{"in time", was, false, false},
		{"too late", was, true, true},
		{"from less than it was", was - 8, false, true},
	} {
		m := newMachine(t, 512, 8, 64, 128)
		base := m.image()
		m.create(allocator.Fixed)
		m.overwrite(chunks(0, 10)...)
		if test.late {
			m.overwrite(10)
		}
		m.flush()
		m.mark("grown")
		m.overwrite(chunks(20, 20)...)
		m.end()
		opt := m.options(base)
		opt.Crashes = 2
		opt.Grown = []Growth{{Region{m.cow.Start, test.sectors}, "grown"}}
		r := explore(t, logBytes(t, 512, m.log), opt)
		if (r.CorruptStates > 0) != test.beyond || r.BrokenImageStates > 0 || r.SecondCrash.Bad() || r.SecondCrash.States == 0 {
			t.Errorf("%s: %d corrupt states, %d with a broken image, first %+v; second crashes %+v", test.name, r.CorruptStates, r.BrokenImageStates, r.FirstFailure, *r.SecondCrash)
		}
		if (r.LintViolations > 0) != test.beyond || test.beyond && r.Violations[0].Rule != BeyondDevice {
			t.Errorf("%s: violations %+v", test.name, r.Violations)
		}
		if f := r.FirstCorrupt; f != nil && !strings.Contains(f.Why, "when the device had 1") {
			t.Errorf("%s: %s", test.name, f.Why)
		}
	}
}

// TestGrowthThatCannotBe: an unknown mark, and regions that no store has grown
// from.
func TestGrowthThatCannotBe(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 128)
	m.create(allocator.Fixed)
	m.mark("grown")
	m.overwrite(0)
	m.end()
	for _, test := range []struct {
		grown Growth
		says  string
	}{
		{Growth{Region{m.cow.Start, 96}, "other"}, `no mark "other"`},
		{Growth{Region{m.cow.Start + 8, 96}, "grown"}, "none begins there"},
		{Growth{Region{m.cow.Start, m.cow.Len + 8}, "grown"}, "none begins there"},
	} {
		opt := m.options(nil)
		opt.Grown = []Growth{test.grown}
		if _, err := Explore(context.Background(), openBytes(t, logBytes(t, 512, m.log)), opt); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v, want %q", test.grown, err, test.says)
		}
	}
}

func TestParseGrowth(t *testing.T) {
	for text, want := range map[string]Growth{
		"16384+336@grown": {Region{16384, 336}, "grown"},
		"8+8@a@b":         {Region{8, 8}, "a@b"},
	} {
		if g, err := ParseGrowth(text); g != want || err != nil || g.String() != text {
			t.Errorf("%s: %v, %v", text, g, err)
		}
	}
	for _, text := range []string{"", "@", "16384+336", "16384+336@", "16384@grown", "@grown"} {
		if g, err := ParseGrowth(text); err == nil {
			t.Errorf("%s: %v", text, g)
		}
	}
}
