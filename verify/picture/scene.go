// Package picture draws a judged store: every chunk of its device, in bins,
// as SVG, PNG or text for a terminal. It draws what a verify.Report says and
// judges nothing.
package picture

// From the top down: svg, text, png, canvas, scene, palette.

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Bins is the largest number of bins in a report that can be drawn as SVG or
// PNG.
const Bins = columns * mostRows

// What a chunk can be, worst first: where chunks of several kinds share a
// cell, its look is that of the worst.
type class int

const (
	damaged class = iota
	leaked
	metadata
	data
	free
	classes
)

// kinds say how the classes look. They differ in lightness and in their hatch
// as well as in colour: free chunks are lightest, then leaked ones, data,
// metadata and damaged ones. The two that are too pale to stand out from the page have
// an outline.
var kinds = [classes]struct {
	name  string
	look  look
	glyph rune
	ascii rune
	sgr   string // of the terminal
}{
	damaged:  {"damaged", look{color: rgb(0x000000), hatch: Crossed, ink: rgb(0xffffff)}, '✗', 'X', "1;35"},
	leaked:   {"leaked", look{rgb(0xf0b429), Diagonal, rgb(0x5c3d00), rgb(0x5c3d00)}, '○', 'o', "1;33"},
	metadata: {"metadata", look{color: rgb(0x0b3c6f), hatch: Barred, ink: rgb(0x9fc5e8)}, '▒', '%', "36"},
	data:     {"data", look{color: rgb(0x3f88c5)}, '█', '#', "34"},
	free:     {"free", look{color: rgb(0xe9edf1), edge: rgb(0x888888)}, '·', '.', "2"},
}

// look is a colour with a hatch over it, and perhaps an outline.
type look struct {
	color color.RGBA
	hatch Hatch
	ink   color.RGBA // of the hatch
	edge  color.RGBA // of an outline; transparent if there is none
}

func (l look) outlined() bool { return l.edge.A != 0 }

func (l look) paint() Paint {
	p := Paint{Fill: hex(l.color), Hatch: l.hatch}
	if l.hatch != Plain {
		p.Ink = hex(l.ink)
	}
	if l.outlined() {
		p.Stroke = hex(l.edge)
	}
	return p
}

func rgb(n uint32) color.RGBA {
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// counts are the chunks of a bin by class.
func counts(b verify.Bin) [classes]uint64 {
	return [classes]uint64{damaged: b.Damaged, leaked: b.Leaked, metadata: b.Metadata, data: b.Data, free: b.Free}
}

// classOf is what a bin looks like: damage and leaks are shown however few
// they are; of the rest the most numerous.
func classOf(b verify.Bin) class {
	n := counts(b)
	for _, c := range []class{damaged, leaked} {
		if n[c] > 0 {
			return c
		}
	}
	best := free
	for _, c := range []class{data, metadata} {
		if n[c] > n[best] || n[c] == n[best] && n[c] > 0 {
			best = c
		}
	}
	return best
}

// lookOf fades leaks where they are a small part of a bin. Their hatch stays.
func lookOf(b verify.Bin) look {
	c := classOf(b)
	l := kinds[c].look
	if c != leaked {
		return l
	}
	const shades = 8 // few enough to tell apart, and to group by
	share := 0.4 + 0.6*math.Ceil(shades*float64(counts(b)[c])/float64(b.Chunks()))/shades
	under := rgb(0xfff3d6)
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*share + float64(b)*(1-share)) }
	l.color = color.RGBA{mix(l.color.R, under.R), mix(l.color.G, under.G), mix(l.color.B, under.B), 255}
	return l
}

// Layout, in pixels.
const (
	columns  = 128
	mostRows = 64
	cell     = 8
	margin   = 16
	offsets  = 12 * glyphWidth // room for the offset before each row
	width    = margin + offsets + columns*cell + margin
	lineHigh = 18

	glyphWidth = 7
	lines      = (width - 2*margin) / glyphWidth // characters to a line
	shownLeaks = 12
)

// rect is a filled rectangle. text is a line of text with its baseline at y.
type rect struct {
	x, y, w, h int
	look       look
}

type text struct {
	x, y  int
	s     string
	bold  bool
	scale bool // next to the grid
}

// scene is a picture before it becomes SVG or PNG.
type scene struct {
	w, h  int
	rects []rect
	texts []text
}

func (s *scene) line(bold bool, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if r := []rune(line); len(r) > lines {
		line = string(r[:lines-3]) + "..."
	}
	s.h += lineHigh
	s.texts = append(s.texts, text{x: margin, y: s.h, s: line, bold: bold})
}

// description is what the picture says, in words: its lines, separated by
// semicolons except after a colon.
func (s *scene) description() string {
	said := ""
	for _, t := range s.texts {
		line := strings.TrimSpace(t.s)
		switch {
		case line == "" || t.x != margin || t.scale:
		case said == "":
			said = line
		case strings.HasSuffix(said, ":"):
			said += " " + line
		default:
			said += "; " + line
		}
	}
	return said
}

// newScene lays a report out.
func newScene(name string, r *verify.Report) *scene {
	s := &scene{w: width, h: margin / 2}
	s.line(true, "%s: %s", name, r.Verdict)
	for _, l := range summary(r) {
		s.line(false, "%s", l)
	}
	s.h += lineHigh / 2
	s.grid(r)
	s.legend(r)
	for _, l := range leakLines(r, shownLeaks) {
		s.line(false, "%s", l)
	}
	s.h += margin
	return s
}

func (s *scene) grid(r *verify.Report) {
	bins := r.Bins
	rows := (len(bins) + columns - 1) / columns
	for row := range rows {
		y := s.h + row*cell
		if row%4 == 0 && row < rows {
			s.texts = append(s.texts, text{x: margin, y: y + 11, s: offset(r, bins[row*columns].First), scale: true})
		}
		for i, b := range bins[row*columns : min(len(bins), (row+1)*columns)] {
			s.rects = append(s.rects, rect{margin + offsets + i*cell, y, cell - 1, cell - 1, lookOf(b)})
		}
	}
	s.h += rows*cell + lineHigh/2
}

func (s *scene) legend(r *verify.Report) {
	total := totals(r)
	x := margin
	s.h += lineHigh
	for _, c := range []class{data, metadata, leaked, damaged, free} {
		s.rects = append(s.rects, rect{x, s.h - 10, 11, 11, kinds[c].look})
		label := fmt.Sprintf("%s %d", kinds[c].name, total[c])
		s.texts = append(s.texts, text{x: x + 16, y: s.h, s: label})
		x += 16 + (len(label)+4)*glyphWidth
	}
	s.line(false, "%s", scale(r))
}

// scale says what a cell is.
func scale(r *verify.Report) string {
	if len(r.Bins) == 0 {
		return "no chunk is whole"
	}
	n := r.Bins[0].Chunks()
	if n == 1 {
		return fmt.Sprintf("each cell is a chunk of %s", count.Bytes(r.Geometry.ChunkBytes))
	}
	return fmt.Sprintf("each cell is %d chunks (%s); one that holds leaked or damaged chunks is shown so, the paler the fewer that leaked", n, count.Bytes(int64(n)*r.Geometry.ChunkBytes))
}

func totals(r *verify.Report) (total [classes]uint64) {
	for _, b := range r.Bins {
		for c, n := range counts(b) {
			total[c] += n
		}
	}
	return total
}

// summary is the store in two lines.
func summary(r *verify.Report) []string {
	u, g := r.Usage, r.Geometry
	full := "0.0%"
	switch {
	case u.AllocatedSectors > u.TotalSectors:
		full = "more than the device"
	case u.TotalSectors > 0:
		full = fmt.Sprintf("%.1f%%", 100*float64(u.AllocatedSectors)/float64(u.TotalSectors))
	}
	return []string{
		fmt.Sprintf("%s in %s of %s, %s allocated", count.Bytes(uint64(u.TotalSectors)*cow.SectorSize), count.Of(g.DeviceChunks, "chunk"), count.Bytes(g.ChunkBytes), full),
		fmt.Sprintf("%s in %s, next free chunk %d", count.Of(u.Exceptions, "exception"), count.Of(u.Areas, "area"), u.NextFreeChunk),
	}
}

// leakLines call out the leaks, the largest number of them.
func leakLines(r *verify.Report, most int) []string {
	l := r.Leaks
	if l.Chunks == 0 {
		return nil
	}
	shown := verify.LargestRanges(r.LargestLeaks, most)
	all := uint64(len(l.Ranges)) + l.RangesOmitted
	rest := all - uint64(len(shown))
	where := count.Of(all, "range")
	if rest > 0 {
		where += ", the largest"
	}
	out := []string{fmt.Sprintf("%s (%s) leaked, in %s:", count.Of(l.Chunks, "chunk"), count.Bytes(l.Bytes), where)}
	for _, run := range shown {
		out = append(out, fmt.Sprintf("  %v at %s: %s", run, offset(r, run.First), count.Bytes(int64(run.Chunks())*r.Geometry.ChunkBytes)))
	}
	if rest > 0 {
		out = append(out, fmt.Sprintf("  ... and %d more", rest))
	}
	return out
}

func offset(r *verify.Report, c cow.Chunk) string {
	return count.Bytes(int64(c) * r.Geometry.ChunkBytes)
}
