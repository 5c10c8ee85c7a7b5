package picture

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

const (
	textOffset   = 10 // characters before each row
	textMostRows = 20
	textLeaks    = 8
)

// TextBins is the largest number of bins in a report that can be drawn as text
// in a terminal with this many columns.
func TextBins(columns int) int { return textCells(columns) * textMostRows }

func textCells(columns int) int { return max(10, columns-textOffset-1) }

// Terminal is what text is drawn for.
type Terminal struct {
	Columns int
	Color   bool
	ASCII   bool // it shows no other characters
}

// Text draws a report on the store of that name, with TextBins(t.Columns)
// bins.
func (t Terminal) Text(w io.Writer, name string, r *verify.Report) error {
	b := bufio.NewWriter(w)
	line := func(format string, args ...any) {
		_, _ = fmt.Fprintln(b, t.cut(fmt.Sprintf(format, args...)))
	}
	line("%s: %s", name, r.Verdict)
	for _, l := range summary(r) {
		line("%s", l)
	}
	cells := textCells(t.Columns)
	for at := 0; at < len(r.Bins); at += cells {
		_, _ = fmt.Fprintf(b, "%*s %s\n", textOffset-1, offset(r, r.Bins[at].First), t.row(r.Bins[at:min(len(r.Bins), at+cells)]))
	}
	for _, l := range t.legend(r) {
		_, _ = fmt.Fprintln(b, l)
	}
	if n := len(r.Bins); n > 0 {
		line("a mark is %s", count.Bytes(int64(r.Bins[0].Chunks())*r.Geometry.ChunkBytes))
	}
	for _, l := range leakLines(r, textLeaks) {
		line("%s", l)
	}
	return b.Flush()
}

// legend says what the marks mean and how many chunks each stands for, in as
// many lines as needed.
func (t Terminal) legend(r *verify.Report) (lines []string) {
	total, line, width := totals(r), "", 0
	for _, c := range []class{data, metadata, leaked, damaged, free} {
		label := fmt.Sprintf(" %s %d", kinds[c].name, total[c])
		n := 1 + len(label)
		if width > 0 && width+len("  ")+n > t.Columns {
			lines, line, width = append(lines, line), "", 0
		}
		if width > 0 {
			line, width = line+"  ", width+len("  ")
		}
		line, width = line+t.paint(c, 1)+label, width+n
	}
	return append(lines, line)
}

// row draws bins, and changes the colour only where the class changes.
func (t Terminal) row(bins []verify.Bin) string {
	var b strings.Builder
	for at := 0; at < len(bins); {
		c, end := classOf(bins[at]), at+1
		for end < len(bins) && classOf(bins[end]) == c {
			end++
		}
		b.WriteString(t.paint(c, end-at))
		at = end
	}
	return b.String()
}

// paint is n marks of a class.
func (t Terminal) paint(c class, n int) string {
	glyph := kinds[c].glyph
	if t.ASCII {
		glyph = kinds[c].ascii
	}
	s := strings.Repeat(string(glyph), n)
	if !t.Color {
		return s
	}
	return "\x1b[" + kinds[c].sgr + "m" + s + "\x1b[0m"
}

// cut makes a line fit.
func (t Terminal) cut(s string) string {
	line, more := []rune(s), []rune("…")
	if t.ASCII {
		more = []rune("...")
	}
	if len(line) <= t.Columns {
		return s
	}
	return string(append(line[:max(0, t.Columns-len(more))], more...))
}
