package crash

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func drawBlocks(t *rapid.T) []int {
	blocks := []int{}
	next := 0
	for range rapid.IntRange(0, 6).Draw(t, "blocks") {
		next += rapid.IntRange(1, 3).Draw(t, "gap")
		blocks = append(blocks, next-1)
	}
	return blocks
}

func TestStatesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := State{Durable: rapid.IntRange(0, 300).Draw(t, "durable")}
		if rapid.Bool().Draw(t, "again") {
			s.Again = &FollowUp{rapid.Bool().Draw(t, "stale"), rapid.IntRange(0, 300).Draw(t, "commits"), rapid.Bool().Draw(t, "copied"), rapid.IntRange(0, 3).Draw(t, "store")}
		}
		next := s.Durable
		for range rapid.IntRange(0, 12).Draw(t, "chosen") {
			next += rapid.IntRange(1, 3).Draw(t, "gap")
			c := Choice{Entry: next - 1}
			if rapid.Bool().Draw(t, "torn") {
				c.Blocks = drawBlocks(t)
			}
			s.Chosen = append(s.Chosen, c)
		}
		got, err := ParseState(s.String())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("%q was read as %+v, want %+v", s, got, s)
		}
	})
}

func TestStateTexts(t *testing.T) {
	s := State{Durable: 120, Chosen: []Choice{{Entry: 121}, {Entry: 123}, {Entry: 124}, {Entry: 125}, {Entry: 127, Blocks: []int{0, 1, 2, 3, 7}}}}
	if got, want := s.String(), "120+121,123-125,127:0-3.7"; got != want {
		t.Errorf("state is %q, want %q", got, want)
	}
	for _, text := range []string{"", "+", "x", "1+", "1+0", "1+2,2", "1+3,2", "1+2-1", "1+2-3:0", "1+2:1.1", "1+2:x", "1/", "1/c", "1/s", "1/x", "1/1@", "1/1@0", "1/1@x", "1/@1", "-1", "01", "1+2-4294967290", "99999999999"} {
		if s, err := ParseState(text); err == nil {
			t.Errorf("%q was read as %+v", text, s)
		}
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("120+121,123-125,127:0-3.7/s2c")
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseState(text)
		if err != nil {
			return
		}
		again, err := ParseState(s.String())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%q is %+v, and %q is %+v, %v", text, s, s, again, err)
		}
	})
}
