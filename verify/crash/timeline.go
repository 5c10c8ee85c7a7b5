// The timeline of a log as lines of text: what was written when, and in which
// places a crash is bad.

package crash

import (
	"fmt"
	"strings"
)

// lanes are the rows of a timeline, with their letters.
var lanes = []struct {
	moment Moment
	name   string
	letter byte
}{
	{CopyMoment, "copies", 'c'},
	{MetadataMoment, "header, zeroing", 'z'},
	{FlushMoment, "flushes", 'F'},
	{CommitMoment, "commits", 'C'},
	{OriginMoment, "origin writes", 'w'},
	{MarkMoment, "marks", 'M'},
}

// severities are the letters of a crash; a later one replaces the earlier ones.
const severities = "?.LWBX"

// badLetter is the letter for a bad crash.
func badLetter(w Window) byte {
	switch {
	case w.Corrupt > 0:
		return 'X'
	case w.Broken > 0:
		return 'B'
	case w.Lost > 0:
		return 'W'
	default:
		return 'L'
	}
}

// TimelineMargin is the number of characters by which a timeline is wider than
// its columns.
const TimelineMargin = 18

// TimelineText draws the log in columns of equal numbers of entries: a letter
// if a column has an entry of the kind.
func (r *Report) TimelineText(columns int) string {
	n := len(r.Timeline)
	if n == 0 || columns < 1 {
		return ""
	}
	columns = min(columns, n)
	column := func(entry int) int { return min(columns-1, entry*columns/n) }
	var b strings.Builder
	row := func(name string, cells []byte) { fmt.Fprintf(&b, "%-16s|%s|\n", name, cells) }
	for _, lane := range lanes {
		cells, any := []byte(strings.Repeat(" ", columns)), false
		for i, m := range r.Timeline {
			if m == lane.moment {
				cells[column(i)], any = lane.letter, true
			}
		}
		if any {
			row(lane.name, cells)
		}
	}
	bad := []byte(strings.Repeat(".", columns))
	if r.ExploredEntries < n {
		for c := column(r.ExploredEntries); c < columns; c++ {
			bad[c] = '?'
		}
	}
	for _, w := range r.Windows {
		for c := column(w.From); c <= column(max(w.From, w.To-1)); c++ {
			if letter := badLetter(w); strings.IndexByte(severities, letter) > strings.IndexByte(severities, bad[c]) {
				bad[c] = letter
			}
		}
	}
	row("a crash here", bad)
	fmt.Fprintf(&b, "%-16s 0%*d\n", "entry", columns, n-1)
	if len(r.Windows) > 0 {
		b.WriteString("L: leaks  W: lost  B: broken image  X: corrupt\n")
	}
	return b.String()
}
