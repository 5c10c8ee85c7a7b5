// Rates as a picture: the average loss of a leaky kernel at a crash.

package crash

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// DrawRates draws both curves of both kernels as SVG.
func DrawRates(w io.Writer, r *allocator.Rates) error {
	const title = "Space that one crash leaks, on average (model of the kernel's allocator)"
	left := plot{x: 90, y: 70, width: 400, height: 290, title: "against copies in flight, chunks of 4 KiB", axis: "copies in flight"}
	for _, p := range r.ByInFlight {
		left.add(p.Kernel, math.Log2(float64(p.InFlight)), p.LeakedBytes/1024, fmt.Sprint(p.InFlight))
	}
	right := plot{x: 620, y: 70, width: 400, height: 290, title: fmt.Sprintf("against chunk size, %d copies in flight", allocator.RateInFlight), axis: "chunk size, KiB"}
	for _, p := range r.ByChunk {
		right.add(p.Kernel, math.Log2(float64(p.ChunkBytes)), p.LeakedBytes/1024, fmt.Sprint(p.ChunkBytes/1024))
	}
	c := picture.NewCanvas(1080, 440, title, left.inWords()+" "+right.inWords())
	c.Text(20, 26, picture.Font{Size: 16}, title)
	left.draw(c)
	right.draw(c)
	for i, k := range []allocator.Kernel{allocator.Leaky, allocator.Fixed} {
		x := float64(90 + 150*i)
		marker(c, k, x+7, 418, "")
		c.Text(x+20, 422, picture.Font{}, string(k)+" kernel")
	}
	_, err := c.WriteTo(w)
	return err
}

// kernelColours are of the palette; marks differ in form as well.
var kernelColours = map[allocator.Kernel]string{allocator.Leaky: picture.Lines[3], allocator.Fixed: picture.Lines[1]}

// marker draws a point: a square for a leaky kernel, a diamond for a fixed one.
func marker(c *picture.Canvas, k allocator.Kernel, x, y float64, tip string) {
	d := fmt.Sprintf("M%.1f %.1fh7v7h-7z", x-3.5, y-3.5)
	if k == allocator.Fixed {
		d = fmt.Sprintf("M%.1f %.1fl5 5l-5 5l-5 -5z", x, y-5)
	}
	c.Path(d, picture.Paint{Fill: kernelColours[k]}, tip)
}

// plot is one diagram; its y axis is in KiB.
type plot struct {
	x, y, width, height float64
	title, axis         string
	points              []plotPoint
}

type plotPoint struct {
	kernel allocator.Kernel
	x, y   float64
	label  string
}

func (p *plot) add(k allocator.Kernel, x, y float64, label string) {
	p.points = append(p.points, plotPoint{k, x, y, label})
}

// inWords says what the diagram shows.
func (p *plot) inWords() string {
	most := plotPoint{}
	for _, q := range p.points {
		if q.y >= most.y {
			most = q
		}
	}
	return fmt.Sprintf("%s: at most %.1f KiB, on a %s kernel at %s %s.", strings.ToUpper(p.title[:1])+p.title[1:], most.y, most.kernel, p.axis, most.label)
}

func (p *plot) draw(c *picture.Canvas) {
	low, high, top := math.Inf(1), math.Inf(-1), 0.0
	for _, q := range p.points {
		low, high, top = min(low, q.x), max(high, q.x), max(top, q.y)
	}
	step := picture.RoundStep(top / 4)
	top = 4 * step
	at := func(q plotPoint) (x, y float64) {
		return p.x + (q.x-low)/max(1, high-low)*p.width, p.y + p.height - q.y/top*p.height
	}
	c.Text(p.x, p.y-14, picture.Font{Size: 13}, p.title)
	c.Path(fmt.Sprintf("M%.1f %.1fv%.1fh%.1f", p.x, p.y, p.height, p.width), picture.Paint{Stroke: picture.Axis}, "")
	for i := range 5 {
		v := step * float64(i)
		c.Text(p.x-8, p.y+p.height-v/top*p.height+4, picture.Font{Size: 11, Anchor: picture.End}, fmt.Sprintf("%g KiB", v))
	}
	c.Text(p.x+p.width/2, p.y+p.height+36, picture.Font{Anchor: picture.Middle}, p.axis)
	for _, k := range []allocator.Kernel{allocator.Fixed, allocator.Leaky} {
		var path strings.Builder
		for _, q := range p.points {
			if q.kernel != k {
				continue
			}
			x, y := at(q)
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(1, path.Len())], x, y)
			marker(c, k, x, y, fmt.Sprintf("%s: %.1f KiB", q.label, q.y))
			if k == allocator.Leaky {
				c.Text(x, p.y+p.height+16, picture.Font{Size: 10, Anchor: picture.Middle}, q.label)
			}
		}
		c.Path(path.String(), picture.Paint{Stroke: kernelColours[k], Width: 2}, "")
	}
}
