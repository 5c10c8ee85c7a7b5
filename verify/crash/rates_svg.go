// Rates as a picture: how much a leaky kernel loses at a crash, on average.

package crash

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// DrawRates draws both curves of both kernels as SVG.
func DrawRates(w io.Writer, r *allocator.Rates) error {
	s := &svg{}
	s.open(1080, 440)
	s.text(20, 26, 16, "start", "Space that one crash leaks, on average (model of the kernel's allocator)")
	left := plot{x: 90, y: 70, width: 400, height: 290, title: "against copies in flight, chunks of 4 KiB", axis: "copies in flight"}
	for _, p := range r.ByInFlight {
		left.add(p.Kernel, math.Log2(float64(p.InFlight)), p.LeakedBytes/1024, fmt.Sprint(p.InFlight))
	}
	left.draw(s)
	right := plot{x: 620, y: 70, width: 400, height: 290, title: fmt.Sprintf("against chunk size, %d copies in flight", allocator.RateInFlight), axis: "chunk size, KiB"}
	for _, p := range r.ByChunk {
		right.add(p.Kernel, math.Log2(float64(p.ChunkBytes)), p.LeakedBytes/1024, fmt.Sprint(p.ChunkBytes/1024))
	}
	right.draw(s)
	for i, k := range []allocator.Kernel{allocator.Leaky, allocator.Fixed} {
		x := float64(90 + 150*i)
		s.rect(x, 412, 14, 12, kernelColours[k], 1, "")
		s.text(x+20, 422, 12, "start", string(k)+" kernel")
	}
	return s.close(w)
}

var kernelColours = map[allocator.Kernel]string{allocator.Leaky: "#c0182b", allocator.Fixed: "#2a9d57"}

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

func (p *plot) draw(s *svg) {
	low, high, top := math.Inf(1), math.Inf(-1), 0.0
	for _, q := range p.points {
		low, high, top = min(low, q.x), max(high, q.x), max(top, q.y)
	}
	step := roundStep(top / 4)
	top = 4 * step
	at := func(q plotPoint) (x, y float64) {
		return p.x + (q.x-low)/max(1, high-low)*p.width, p.y + p.height - q.y/top*p.height
	}
	s.text(p.x, p.y-14, 13, "start", p.title)
	fmt.Fprintf(&s.b, `<path d="M%.1f %.1fv%.1fh%.1f" fill="none" stroke="#888888"/>`+"\n", p.x, p.y, p.height, p.width)
	for i := range 5 {
		v := step * float64(i)
		s.text(p.x-8, p.y+p.height-v/top*p.height+4, 11, "end", fmt.Sprintf("%g KiB", v))
	}
	s.text(p.x+p.width/2, p.y+p.height+36, 12, "middle", p.axis)
	for _, k := range []allocator.Kernel{allocator.Fixed, allocator.Leaky} {
		var path strings.Builder
		for _, q := range p.points {
			if q.kernel != k {
				continue
			}
			x, y := at(q)
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(1, path.Len())], x, y)
			s.rect(x-2.5, y-2.5, 5, 5, kernelColours[k], 1, fmt.Sprintf("%s: %.1f KiB", q.label, q.y))
			if k == allocator.Leaky {
				s.text(x, p.y+p.height+16, 10, "middle", q.label)
			}
		}
		fmt.Fprintf(&s.b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), kernelColours[k])
	}
}

// roundStep is the least of 1, 2, 2.5 and 5, times a power of ten, that is not
// below v.
func roundStep(v float64) float64 {
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
