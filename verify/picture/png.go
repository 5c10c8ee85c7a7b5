// Maps as PNG.

package picture

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// PNG draws a report with bins on the store of that name, as a PNG image.
func PNG(w io.Writer, name string, r *verify.Report) error {
	s := newScene(name, r)
	m := image.NewRGBA(image.Rect(0, 0, s.w, s.h))
	fill(m, m.Bounds(), color.RGBA{255, 255, 255, 255})
	for _, t := range s.rects {
		fill(m, image.Rect(t.x, t.y, t.x+t.w, t.y+t.h), t.look.color)
		hatch(m, t)
		outline(m, t)
	}
	for _, t := range s.texts {
		write(m, t.x, t.y, t.s)
		if t.bold {
			write(m, t.x+1, t.y, t.s)
		}
	}
	return png.Encode(w, m)
}

func fill(m *image.RGBA, area image.Rectangle, c color.RGBA) {
	draw.Draw(m, area, image.NewUniform(c), image.Point{}, draw.Src)
}

// hatch draws what the SVG has as a pattern.
func hatch(m *image.RGBA, r rect) {
	for y := range r.h {
		for x := range r.w {
			on := false
			switch r.look.hatch {
			case Diagonal:
				on = x+y == r.h-1
			case Crossed:
				on = x+y == r.h-1 || x == y
			case Dotted:
				on = (x == r.w/2 || x == r.w/2-1) && y == r.h/2
			case Barred:
				on = y == r.h/2
			}
			if on {
				m.SetRGBA(r.x+x, r.y+y, r.look.ink)
			}
		}
	}
}

// outline draws the edge of a rectangle within it, if its look has one.
func outline(m *image.RGBA, r rect) {
	if !r.look.outlined() {
		return
	}
	for x := range r.w {
		m.SetRGBA(r.x+x, r.y, r.look.edge)
		m.SetRGBA(r.x+x, r.y+r.h-1, r.look.edge)
	}
	for y := range r.h {
		m.SetRGBA(r.x, r.y+y, r.look.edge)
		m.SetRGBA(r.x+r.w-1, r.y+y, r.look.edge)
	}
}

func write(m *image.RGBA, x, y int, s string) {
	d := font.Drawer{Dst: m, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(s)
}
