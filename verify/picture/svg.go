// Maps as SVG.

package picture

import (
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// SVG draws a report with bins on the store of that name, as an SVG document.
func SVG(w io.Writer, name string, r *verify.Report) error {
	s := newScene(name, r)
	c := NewCanvas(float64(s.w), float64(s.h), "Map of COW store "+name, s.description())
	// One path per look takes a third of the space of one element per cell.
	for _, l := range looksOf(s.rects) {
		var d strings.Builder
		for _, t := range s.rects {
			switch {
			case t.look != l:
			case l.outlined(): // which is one pixel wide, and within the rectangle
				_, _ = fmt.Fprintf(&d, "M%d.5 %d.5h%dv%dh-%dz", t.x, t.y, t.w-1, t.h-1, t.w-1)
			default:
				_, _ = fmt.Fprintf(&d, "M%d %dh%dv%dh-%dz", t.x, t.y, t.w, t.h, t.w)
			}
		}
		c.Path(d.String(), l.paint(), "")
	}
	for _, t := range s.texts {
		// A font of this size is as wide as the PNG's.
		c.Text(float64(t.x), float64(t.y), Font{Size: 11.67, Mono: true, Bold: t.bold}, t.s)
	}
	_, err := c.WriteTo(w)
	return err
}

// looksOf are the different looks of rects, in the order of their first use.
func looksOf(rects []rect) []look {
	var out []look
	seen := map[look]bool{}
	for _, r := range rects {
		if !seen[r.look] {
			seen[r.look] = true
			out = append(out, r.look)
		}
	}
	return out
}
