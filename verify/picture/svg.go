package picture

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// SVG draws a report with bins on the store of that name, as an SVG document.
func SVG(w io.Writer, name string, r *verify.Report) error {
	s := newScene(name, r)
	b := bufio.NewWriter(w)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format, args...) }
	// A font of this size is as wide as the PNG's.
	p(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="monospace" font-size="11.67">`+"\n", s.w, s.h)
	p(`<rect width="%d" height="%d" fill="#fff"/>`+"\n", s.w, s.h)
	for _, c := range colors(s.rects) {
		p(`<path fill="%s" d="`, hex(c))
		for _, t := range s.rects {
			if t.fill == c {
				p("M%d %dh%dv%dh-%dz", t.x, t.y, t.w, t.h, t.w)
			}
		}
		p(`"/>` + "\n")
	}
	for _, t := range s.texts {
		weight := ""
		if t.bold {
			weight = ` font-weight="bold"`
		}
		p(`<text x="%d" y="%d"%s xml:space="preserve">%s</text>`+"\n", t.x, t.y, weight, escape(t.s))
	}
	p("</svg>\n")
	return b.Flush()
}

// colors are the different colours of rects, in the order of their first use.
// (One path to a colour is a third of the size of one element to a rect.)
func colors(rects []rect) []color.RGBA {
	var out []color.RGBA
	seen := map[color.RGBA]bool{}
	for _, r := range rects {
		if !seen[r.fill] {
			seen[r.fill] = true
			out = append(out, r.fill)
		}
	}
	return out
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}
