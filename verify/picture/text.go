package picture

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

const (
	textOffset   = 10 // characters before each row
	textMostRows = 20
	textLeaks    = 8
)

// TextBins is how many bins a report must have at most to be drawn as text in
// a terminal of so many columns.
func TextBins(columns int) int { return textCells(columns) * textMostRows }

func textCells(columns int) int { return max(10, columns-textOffset-1) }

// Text draws a report on the store of that name, with TextBins(columns) bins,
// for a terminal of so many columns.
func Text(w io.Writer, name string, r *verify.Report, columns int, color bool) error {
	b := bufio.NewWriter(w)
	line := func(format string, args ...any) {
		l := []rune(fmt.Sprintf(format, args...))
		if len(l) > columns {
			l = append(l[:max(0, columns-1)], '…')
		}
		_, _ = fmt.Fprintln(b, string(l))
	}
	line("%s: %s", name, r.Verdict)
	for _, l := range summary(r) {
		line("%s", l)
	}
	cells := textCells(columns)
	for at := 0; at < len(r.Bins); at += cells {
		_, _ = fmt.Fprintf(b, "%*s %s\n", textOffset-1, offset(r, r.Bins[at].First), row(r.Bins[at:min(len(r.Bins), at+cells)], color))
	}
	for _, l := range legend(r, columns, color) {
		_, _ = fmt.Fprintln(b, l)
	}
	if n := len(r.Bins); n > 0 {
		line("a mark is %s", size(r.Bins[0].Chunks()*r.Geometry.ChunkBytes))
	}
	for _, l := range leakLines(r, textLeaks) {
		line("%s", l)
	}
	return b.Flush()
}

// legend says what the marks are and how many chunks each stands for, in as
// many lines as it takes.
func legend(r *verify.Report, columns int, color bool) (lines []string) {
	total, line, width := totals(r), "", 0
	for _, c := range []class{data, metadata, leaked, damaged, free} {
		mark, label := string(looks[c].glyph), fmt.Sprintf(" %s %d", looks[c].name, total[c])
		n := 1 + len(label)
		if width > 0 && width+len("  ")+n > columns {
			lines, line, width = append(lines, line), "", 0
		}
		if width > 0 {
			line, width = line+"  ", width+len("  ")
		}
		line, width = line+paint(c, mark, color)+label, width+n
	}
	return append(lines, line)
}

// row draws bins, and changes the colour only where the class changes.
func row(bins []verify.Bin, color bool) string {
	var b strings.Builder
	for at := 0; at < len(bins); {
		c, end := classOf(bins[at]), at+1
		for end < len(bins) && classOf(bins[end]) == c {
			end++
		}
		b.WriteString(paint(c, strings.Repeat(string(looks[c].glyph), end-at), color))
		at = end
	}
	return b.String()
}

func paint(c class, s string, color bool) string {
	if !color {
		return s
	}
	return "\x1b[" + looks[c].sgr + "m" + s + "\x1b[0m"
}
