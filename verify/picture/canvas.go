// The canvas: an SVG picture while it is drawn. Maps of stores use it, and so
// can other pictures.

package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// Hatch is a pattern over a colour. It distinguishes two areas for readers who
// cannot tell their colours apart.
type Hatch uint8

// The hatches.
const (
	Plain    Hatch = iota
	Diagonal       // one stroke
	Crossed        // two strokes
	Dotted
	Barred // horizontal strokes
)

// hatchPaths are the strokes of hatches in a tile of 8 pixels.
var hatchPaths = [...]string{
	Diagonal: "M-1 9L9 -1",
	Crossed:  "M-1 9L9 -1M-1 -1L9 9",
	Dotted:   "M3 4h2",
	Barred:   "M0 4h8",
}

// Paint is how an area or a line looks. Colours are #rrggbb; an empty one is
// not drawn.
type Paint struct {
	Fill    string
	Hatch   Hatch   // over Fill
	Ink     string  // colour of the hatch; black if empty
	Opacity float64 // of the fill; 0 stands for 1
	Stroke  string
	Width   float64 // of the stroke; 0 stands for 1
}

// Anchor says which end of a text is at its position.
type Anchor string

// The anchors.
const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Font is how a text looks. The zero value is 12 pixels, black.
type Font struct {
	Size   float64 // pixels; 0 stands for 12
	Bold   bool
	Mono   bool // all characters are 0.6 of the size wide, and spaces count
	Anchor Anchor
	Color  string // #rrggbb; black if empty
}

// Canvas is an SVG picture in the making. All texts are escaped.
type Canvas struct {
	// ID is the prefix of the ids of the picture's elements, for documents
	// with several pictures. It must consist of letters, digits and dashes.
	ID            string
	width, height float64
	title, desc   string
	body          strings.Builder
	hatched       []Paint // one per hatch in use; the index is the number of its pattern
}

// NewCanvas begins a white picture of this size in pixels. Its title and
// description are for people who cannot see it.
func NewCanvas(width, height float64, title, desc string) *Canvas {
	return &Canvas{width: width, height: height, title: title, desc: desc}
}

// Rect draws a rectangle. Viewers show a nonempty tooltip when the pointer is
// over the rectangle.
func (c *Canvas) Rect(x, y, width, height float64, p Paint, tooltip string) {
	c.shape(fmt.Sprintf(`rect x="%s" y="%s" width="%s" height="%s"`, number(x), number(y), number(width), number(height)), "rect", p, tooltip)
}

// Path draws a path in SVG's notation, which must not come from untrusted
// input.
func (c *Canvas) Path(d string, p Paint, tooltip string) {
	c.shape(fmt.Sprintf(`path d="%s"`, escape(d)), "path", p, tooltip)
}

// Text writes one line, whose baseline is at y.
func (c *Canvas) Text(x, y float64, f Font, text string) {
	fmt.Fprintf(&c.body, `<text x="%s" y="%s"`, number(x), number(y))
	if f.Size != 0 && f.Size != 12 {
		fmt.Fprintf(&c.body, ` font-size="%s"`, number(f.Size))
	}
	if f.Bold {
		c.body.WriteString(` font-weight="bold"`)
	}
	if f.Mono {
		c.body.WriteString(` font-family="monospace" xml:space="preserve"`)
	}
	if f.Anchor != "" && f.Anchor != Start {
		fmt.Fprintf(&c.body, ` text-anchor="%s"`, f.Anchor)
	}
	if f.Color != "" {
		fmt.Fprintf(&c.body, ` fill="%s"`, escape(f.Color))
	}
	fmt.Fprintf(&c.body, ">%s</text>\n", escape(text))
}

// dark inverts a standalone picture for readers who prefer dark pages: light
// becomes dark, and hues stay. That preserves the contrast. In an HTML page
// the root is the page, which decides for itself.
const dark = `<style>@media (prefers-color-scheme: dark) { svg:root { filter: invert(.92) hue-rotate(180deg); } }</style>` + "\n"

// WriteTo writes the document; it implements io.WriterTo.
func (c *Canvas) WriteTo(w io.Writer) (int64, error) {
	b := &bytes.Buffer{}
	width, height := number(c.width), number(c.height)
	_, _ = fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %[1]s %[2]s" font-family="sans-serif" font-size="12" role="img" aria-labelledby="%[3]stitle %[3]sdesc">`+"\n", width, height, c.ID)
	_, _ = fmt.Fprintf(b, "<title id=\"%[3]stitle\">%[1]s</title>\n<desc id=\"%[3]sdesc\">%[2]s</desc>\n", escape(c.title), escape(c.desc), c.ID)
	_, _ = b.WriteString(dark)
	c.defs(b)
	_, _ = fmt.Fprintf(b, `<rect width="%s" height="%s" fill="#ffffff"/>`+"\n", width, height)
	_, _ = b.WriteString(strings.ReplaceAll(c.body.String(), idMark, c.ID))
	_, _ = b.WriteString("</svg>\n")
	return b.WriteTo(w)
}

// defs writes the patterns of the hatches in use.
func (c *Canvas) defs(b *bytes.Buffer) {
	if len(c.hatched) == 0 {
		return
	}
	_, _ = b.WriteString("<defs>\n")
	for i, p := range c.hatched {
		_, _ = fmt.Fprintf(b, `<pattern id="%shatch%d" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="%s"/><path d="%s" fill="none" stroke="%s" stroke-width="1.5"/></pattern>`+"\n",
			c.ID, i, escape(p.Fill), hatchPaths[p.Hatch], escape(p.Ink))
	}
	_, _ = b.WriteString("</defs>\n")
}

// shape writes an element, given its start and its name.
func (c *Canvas) shape(start, name string, p Paint, tooltip string) {
	fmt.Fprintf(&c.body, `<%s fill="%s"`, start, c.fill(p))
	if p.Opacity != 0 && p.Opacity != 1 {
		fmt.Fprintf(&c.body, ` fill-opacity="%s"`, number(p.Opacity))
	}
	if p.Stroke != "" {
		fmt.Fprintf(&c.body, ` stroke="%s"`, escape(p.Stroke))
		if p.Width != 0 && p.Width != 1 {
			fmt.Fprintf(&c.body, ` stroke-width="%s"`, number(p.Width))
		}
	}
	if tooltip == "" {
		c.body.WriteString("/>\n")
		return
	}
	fmt.Fprintf(&c.body, "><title>%s</title></%s>\n", escape(tooltip), name)
}

// fill returns the value of an attribute that fills an element with p.
func (c *Canvas) fill(p Paint) string {
	switch {
	case p.Fill == "":
		return "none"
	case p.Hatch == Plain:
		return escape(p.Fill)
	}
	look := Paint{Fill: p.Fill, Hatch: p.Hatch, Ink: p.Ink}
	if look.Ink == "" {
		look.Ink = "#000000"
	}
	for i, known := range c.hatched {
		if known == look {
			return hatchURL(i)
		}
	}
	c.hatched = append(c.hatched, look)
	return hatchURL(len(c.hatched) - 1)
}

// idMark marks the places in the body where ID goes. No text can contain it,
// because XML cannot represent it.
const idMark = "\x00"

func hatchURL(n int) string { return fmt.Sprintf("url(#%shatch%d)", idMark, n) }

// number writes a length with at most one digit after the point, an opacity
// with two.
func number(v float64) string {
	format := "%.1f"
	if v > 0 && v < 1 {
		format = "%.2f"
	}
	s := fmt.Sprintf(format, v)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// escape prepares text for elements and attributes. Characters that XML cannot
// represent become U+FFFD.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

// RoundStep is a step between the marks of an axis: the smallest of 1, 2, 2.5 and 5,
// times a power of ten, that is at least v; 1 if v is not positive.
func RoundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, digit := range []float64{1, 2, 2.5, 5} {
		if digit*power >= v {
			return digit * power
		}
	}
	return 10 * power
}
