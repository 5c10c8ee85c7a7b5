// Losses as a picture: what crashes of kernels lost, over what the model says.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// point is what crashes lost with a number of copies in flight and a chunk
// size, in chunks.
type point struct {
	InFlight   int
	ChunkBytes int64
	Model      []uint64 // of simulations
	Kernels    []kernelLosses
}

// kernelLosses are the crashes of one kernel at a point.
type kernelLosses struct {
	Name string
	Lost []uint64
}

// lossShare is the part of the losses that a band leaves out on each side.
const lossShare = 0.05

// band is the range of the model's losses without the lowest and the highest
// twentieth, and their median.
func (p point) band() (low, median, high uint64) {
	sorted := slices.Sorted(slices.Values(p.Model))
	if len(sorted) == 0 {
		return 0, 0, 0
	}
	at := func(part float64) uint64 { return sorted[int(part*float64(len(sorted)-1))] }
	return at(lossShare), at(0.5), at(1 - lossShare)
}

// outside counts the losses of a kernel that are outside of the band.
func (p point) outside(k kernelLosses) (n int) {
	low, _, high := p.band()
	for _, lost := range k.Lost {
		if lost < low || lost > high {
			n++
		}
	}
	return n
}

// Sizes of the picture, in pixels.
const (
	lossLeft, lossTop      = 80.0, 80.0
	lossHeight, lossColumn = 300.0, 130.0
	lossBand               = 70.0
)

// drawPoints draws points as SVG: for each a band of the model with its median,
// and a mark for each crash of a kernel.
func drawPoints(w io.Writer, points []point) error {
	most := uint64(1)
	for _, p := range points {
		most = max(most, slices.Max(append(slices.Clone(p.Model), 0)))
		for _, k := range p.Kernels {
			most = max(most, slices.Max(append(slices.Clone(k.Lost), 0)))
		}
	}
	d := lossPicture{top: 4 * picture.RoundStep(float64(most)/4)}
	width := max(760, lossLeft+lossColumn*float64(len(points))+30)
	d.Canvas = picture.NewCanvas(width, lossTop+lossHeight+90, "Chunks that one crash loses: the leaky kernel, and the model of it", inWords(points))
	d.Text(20, 26, picture.Font{Size: 16}, "Chunks that one crash loses: the leaky kernel, and the model of it")
	d.Text(20, 48, picture.Font{Size: 12}, "band: nine of ten crashes of the model, and their median; a mark is one crash of a kernel")
	d.Path(fmt.Sprintf("M%.1f %.1fv%.1fH%.1f", lossLeft, lossTop, lossHeight, width-20), picture.Paint{Stroke: picture.Axis}, "")
	for i := range 5 {
		v := d.top * float64(i) / 4
		d.Text(lossLeft-8, d.at(v)+4, picture.Font{Size: 11, Anchor: picture.End}, fmt.Sprintf("%g", v))
	}
	for i, p := range points {
		d.column(lossLeft+lossColumn*(float64(i)+0.5), p)
	}
	d.legend(points)
	_, err := d.WriteTo(w)
	return err
}

// lossPicture is a picture of losses; top is the value at its upper edge.
type lossPicture struct {
	*picture.Canvas
	top float64
}

func (d *lossPicture) at(chunks float64) float64 {
	return lossTop + lossHeight - chunks/d.top*lossHeight
}

// point draws one column around x.
func (d *lossPicture) column(x float64, p point) {
	low, median, high := p.band()
	tip := fmt.Sprintf("the model loses %d to %d chunks, %d in the median of %s", low, high, median, count.Of(len(p.Model), "simulation"))
	d.Rect(x-lossBand/2, d.at(float64(high)), lossBand, max(1, d.at(float64(low))-d.at(float64(high))), picture.Fine, tip)
	d.Path(fmt.Sprintf("M%.1f %.1fh%.1f", x-lossBand/2, d.at(float64(median)), lossBand), picture.Paint{Stroke: picture.Black, Width: 1.5}, tip)
	for i, k := range p.Kernels {
		for n, lost := range k.Lost {
			// Side by side, so that equal losses do not hide each other.
			beside := x - lossBand/2 + lossBand*(float64(n)+0.5)/float64(len(k.Lost))
			lossMark(d.Canvas, i, beside, d.at(float64(lost)), fmt.Sprintf("%s: %s", k.Name, count.Of(lost, "chunk")))
		}
	}
	d.Text(x, lossTop+lossHeight+18, picture.Font{Anchor: picture.Middle}, fmt.Sprintf("%d in flight", p.InFlight))
	d.Text(x, lossTop+lossHeight+34, picture.Font{Anchor: picture.Middle}, "chunks of "+count.Bytes(p.ChunkBytes))
}

// lossMark draws a crash: kernels differ in form as well as in colour.
func lossMark(c *picture.Canvas, kernel int, x, y float64, tip string) {
	d := fmt.Sprintf("M%.1f %.1fh7v7h-7z", x-3.5, y-3.5)
	if kernel%2 == 1 {
		d = fmt.Sprintf("M%.1f %.1fl5 5l-5 5l-5 -5z", x, y-5)
	}
	c.Path(d, picture.Paint{Fill: picture.Lines[3-kernel%2]}, tip)
}

func (d *lossPicture) legend(points []point) {
	if len(points) == 0 {
		return
	}
	for i, k := range points[0].Kernels {
		x, y := lossLeft+220*float64(i), lossTop+lossHeight+66
		lossMark(d.Canvas, i, x, y-4, "")
		d.Text(x+14, y, picture.Font{}, k.Name)
	}
}

// inWords says how many crashes of each kernel are outside of the band.
func inWords(points []point) string {
	all, outside := map[string]int{}, map[string]int{}
	var names []string
	for _, p := range points {
		for _, k := range p.Kernels {
			if _, known := all[k.Name]; !known {
				names = append(names, k.Name)
			}
			all[k.Name] += len(k.Lost)
			outside[k.Name] += p.outside(k)
		}
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %d of %s outside of the band. ", name, outside[name], count.Of(all[name], "crash", "crashes"))
	}
	return strings.TrimSpace(b.String())
}
