// States: what a crash can leave behind, with a text form that names each.

package crash

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// State is what a crash left of a log: the first Durable entries, and the
// Chosen ones after them. If two of these write the same block, the later one
// wins.
//
// An example of its text is "120+121,123-125,127:0-3.7": entries 0 to 119,
// entries 121 and 123 to 125, and blocks 0 to 3 and 7 of entry 127. A number
// after a slash says what happens next: "120+127:1/30" is activated, takes 30
// more exceptions and crashes again. With "/30c" one more chunk was copied by
// then; with "/s30" chunks that stale records name were written first; with
// "/30@1" the second store continues.
type State struct {
	Durable int
	Chosen  []Choice // ascending, all at or after Durable
	Again   *FollowUp
}

// FollowUp is what happened between a first and a second crash.
type FollowUp struct {
	Stale   bool // the chunks that stale records name were written first, else none of them
	Commits int  // exceptions, one after the other
	Copied  bool // one more was copied, but not committed
	Store   int  // index of the store that continued, from 0
}

// Choice is an entry with all or some of its blocks durable.
type Choice struct {
	Entry  int
	Blocks []int // ascending; nil for all
}

// Last returns the index of the last entry that is at least partly in the
// state, or -1.
func (s State) Last() int {
	if n := len(s.Chosen); n > 0 {
		return s.Chosen[n-1].Entry
	}
	return s.Durable - 1
}

func (s State) String() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(s.Durable))
	for i := 0; i < len(s.Chosen); {
		b.WriteByte("+,"[min(i, 1)])
		run := i + 1
		for s.Chosen[i].Blocks == nil && run < len(s.Chosen) && s.Chosen[run].Blocks == nil && s.Chosen[run].Entry == s.Chosen[run-1].Entry+1 {
			run++
		}
		writeRange(&b, s.Chosen[i].Entry, s.Chosen[run-1].Entry)
		if blocks := s.Chosen[i].Blocks; blocks != nil {
			writeBlocks(&b, blocks)
		}
		i = run
	}
	if s.Again != nil {
		b.WriteByte('/')
		if s.Again.Stale {
			b.WriteByte('s')
		}
		b.WriteString(strconv.Itoa(s.Again.Commits))
		if s.Again.Copied {
			b.WriteByte('c')
		}
		if s.Again.Store > 0 {
			fmt.Fprintf(&b, "@%d", s.Again.Store)
		}
	}
	return b.String()
}

func writeRange(b *strings.Builder, first, last int) {
	b.WriteString(strconv.Itoa(first))
	if last > first {
		fmt.Fprintf(b, "-%d", last)
	}
}

func writeBlocks(b *strings.Builder, blocks []int) {
	separator := byte(':')
	for i := 0; i < len(blocks); {
		run := i + 1
		for run < len(blocks) && blocks[run] == blocks[run-1]+1 {
			run++
		}
		b.WriteByte(separator)
		writeRange(b, blocks[i], blocks[run-1])
		separator, i = '.', run
	}
	if len(blocks) == 0 { // none of its blocks: as if it were not chosen
		b.WriteString(":")
	}
}

// maxRun bounds the length of a range in a state's text.
const maxRun = 1 << 20

// ParseState parses the text that String returns.
func ParseState(text string) (State, error) {
	fail := func(why string) (State, error) {
		return State{}, fmt.Errorf("%q is not a state of a log: %s; states look like 120 or 120+121,123-125,127:0-3.7", text, why)
	}
	rest, again, more := strings.Cut(text, "/")
	durable, chosen, some := strings.Cut(rest, "+")
	s := State{}
	var ok bool
	if s.Durable, ok = parseIndex(durable); !ok {
		return fail("it does not start with a number of entries")
	}
	if more {
		again, store, other := strings.Cut(again, "@")
		commits, stale := strings.CutPrefix(again, "s")
		commits, copied := strings.CutSuffix(commits, "c")
		s.Again = &FollowUp{Stale: stale, Copied: copied}
		if s.Again.Commits, ok = parseIndex(commits); !ok {
			return fail("the slash must be followed by a number of exceptions")
		}
		if s.Again.Store, ok = parseIndex(store); other && (!ok || s.Again.Store == 0) {
			return fail("the @ must be followed by the number of a store other than the first")
		}
	}
	if !some {
		return s, nil
	}
	for _, item := range strings.Split(chosen, ",") {
		entries, blocks, torn := strings.Cut(item, ":")
		first, last, ok := parseRange(entries)
		if !ok || torn && first != last || len(s.Chosen)+last-first > maxRun {
			return fail(fmt.Sprintf("%q names no entries", item))
		}
		for e := first; e <= last; e++ {
			s.Chosen = append(s.Chosen, Choice{Entry: e})
		}
		if torn {
			if s.Chosen[len(s.Chosen)-1].Blocks, ok = parseBlocks(blocks); !ok {
				return fail(fmt.Sprintf("%q names no blocks", item))
			}
		}
	}
	byEntry := func(a, b Choice) int { return cmp.Compare(a.Entry, b.Entry) }
	for i, c := range s.Chosen {
		if c.Entry < s.Durable || i > 0 && byEntry(s.Chosen[i-1], c) >= 0 {
			return fail("its entries do not ascend")
		}
	}
	return s, nil
}

func parseIndex(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && n < math.MaxInt32 && (s == "0" || s[0] != '0')
}

func parseRange(s string) (first, last int, ok bool) {
	a, b, isRange := strings.Cut(s, "-")
	first, ok = parseIndex(a)
	if !isRange || !ok {
		return first, first, ok
	}
	last, ok = parseIndex(b)
	return first, last, ok && last > first && last-first < maxRun
}

func parseBlocks(s string) ([]int, bool) {
	blocks := []int{}
	if s == "" {
		return blocks, true
	}
	for _, item := range strings.Split(s, ".") {
		first, last, ok := parseRange(item)
		if !ok || len(blocks)+last-first > maxRun {
			return nil, false
		}
		for b := first; b <= last; b++ {
			blocks = append(blocks, b)
		}
	}
	return blocks, slices.IsSortedFunc(blocks, func(a, b int) int {
		if a == b {
			return -1 // not strictly ascending
		}
		return cmp.Compare(a, b)
	})
}

// durableOf is the first entry of a state's epoch.
func durableOf(text string) int {
	s, err := ParseState(text)
	if err != nil {
		return never
	}
	return s.Durable
}
