// States as pictures: how many each epoch has, and which parts of the first
// failure are durable.

package crash

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// StatesPicture draws how many states were judged in each epoch, and how many
// of them are bad. It returns nil if that is not known.
func (r *Report) StatesPicture(width float64) *picture.Canvas {
	if len(r.Epochs) == 0 {
		return nil
	}
	const plotHeight, top = 160, 40
	t := timelinePicture{Report: r, width: max(width, svgWidth), bottom: top + plotHeight}
	most := 1.0
	for _, w := range r.Epochs {
		most = max(most, math.Log10(float64(w.States)+1))
	}
	most = math.Ceil(most)
	t.Canvas = picture.NewCanvas(t.width, t.bottom+44, "Crash states by entry",
		fmt.Sprintf("%s in %s, at most 10^%.0f in one; bad ones in %s.", count.Of(r.States, "state"), count.Of(len(r.Epochs), "epoch"), most, count.Of(len(r.Windows), "epoch")))
	title := "crash states between two flushes; bad ones hatched"
	if len(r.Epochs) >= mostEpochs {
		title += fmt.Sprintf("; of the first %d epochs", len(r.Epochs))
	}
	t.Text(12, 20, picture.Font{Size: 13}, title)
	high := func(n uint64) float64 { return math.Log10(float64(n)+1) / most * plotHeight }
	for _, w := range r.Epochs {
		x, wide := t.at(w.From), max(1, t.at(w.To)-t.at(w.From)-0.5)
		tip := fmt.Sprintf("entries %d-%d: %s, %d leaking, %d corrupt, %d with a broken image", w.From, w.To-1, count.Of(w.States, "state"), w.Leaking, w.Corrupt, w.Broken)
		t.Rect(x, t.bottom-high(w.States), wide, high(w.States), picture.Fine, tip)
		if bad := max(w.Leaking, w.Corrupt, w.Broken, w.Lost); bad > 0 {
			t.Rect(x, t.bottom-high(bad), wide, high(bad), badPaints[badLetter(w)].paint, tip)
		}
	}
	for power := 0.0; power <= most; power++ {
		t.Text(svgLeft-8, t.bottom-power/most*plotHeight+4, picture.Font{Size: 11, Anchor: picture.End}, fmt.Sprintf("%.0f", math.Pow(10, power)))
	}
	t.axis(t.bottom + 16)
	return t.Canvas
}

// How blocks of a state look.
var (
	newBlock = picture.Paint{Fill: picture.Lines[1], Stroke: picture.Lines[1]}
	oldBlock = picture.Paint{Fill: "#ffffff", Stroke: picture.Grey}
)

// StatePicture draws which blocks of the entries between two flushes are new,
// which are old, and which entries are torn in a state. It returns nil if that
// is not known.
func (r *Report) StatePicture(state string) *picture.Canvas {
	if r.Drawn == nil {
		return nil
	}
	list := r.Drawn(state)
	if len(list) == 0 {
		return nil
	}
	const row, cell, left, perRow = 18, 7, 330, 120
	durable := list[0].Entry
	c := picture.NewCanvas(svgWidth, float64(60+row*len(list)), "The first failure, block by block", inWordsOf(list))
	c.Text(12, 22, picture.Font{Size: 13}, fmt.Sprintf("state %s: all before entry %d is durable, and of what follows up to the next flush the filled blocks", shortened(state, 60), durable))
	c.Rect(left, 32, 10, 10, newBlock, "")
	c.Text(left+16, 42, picture.Font{}, "new")
	c.Rect(left+70, 32, 10, 10, oldBlock, "")
	c.Text(left+86, 42, picture.Font{}, "old: not written")
	for i, d := range list {
		y := float64(54 + i*row)
		c.Text(left-10, y+11, picture.Font{Anchor: picture.End}, fmt.Sprintf("entry %d, %s, sector %d: %s", d.Entry, d.What, d.Sector, d.how()))
		var fresh, old strings.Builder
		for b, on := range d.New {
			if b >= perRow {
				break
			}
			into := &old
			if on {
				into = &fresh
			}
			fmt.Fprintf(into, "M%d %.0fh%dv%dh-%dz", left+b*cell, y+1, cell-2, row-8, cell-2)
		}
		c.Path(old.String(), oldBlock, "")
		c.Path(fresh.String(), newBlock, "")
		if d.Blocks > perRow {
			c.Text(left+perRow*cell+4, y+11, picture.Font{Size: 10}, "...")
		}
	}
	return c
}

// how says whether an entry is new, old or torn.
func (d DrawnEntry) how() string {
	n := 0
	for _, on := range d.New {
		if on {
			n++
		}
	}
	switch n {
	case 0:
		return "old"
	case len(d.New):
		return "new"
	default:
		return "torn"
	}
}

func inWordsOf(list []DrawnEntry) string {
	by := map[string]int{}
	for _, d := range list {
		by[d.how()]++
	}
	return fmt.Sprintf("After the last flush there are %s: %d new, %d old and %d torn.", count.Of(len(list), "entry", "entries"), by["new"], by["old"], by["torn"])
}
