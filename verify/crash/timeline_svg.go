// The timeline of a log as a picture.

package crash

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// Sizes of the picture, in pixels.
const (
	svgWidth  = 1200
	svgLeft   = 130
	svgLane   = 26
	svgTop    = 70
	svgRight  = 24
	svgCrash  = 16 // height of the band of crashes
	svgStroke = 16 // height of an entry's stroke
)

// badPaints are how bad windows look, by their letters.
var badPaints = map[byte]struct {
	paint picture.Paint
	name  string
}{
	'X': {picture.Corrupt, "corrupt store"},
	'B': {picture.Broken, "broken image"},
	'W': {picture.Missing, "lost write"},
	'L': {picture.Lost, "leak"},
}

// WriteTimeline draws the log as SVG: a lane for each kind of entry, and below
// them the windows in which a crash is bad.
func (r *Report) WriteTimeline(w io.Writer) error {
	_, err := r.TimelinePicture(svgWidth).WriteTo(w)
	return err
}

// TimelinePicture draws the timeline with this width in pixels.
func (r *Report) TimelinePicture(width float64) *picture.Canvas {
	width = max(width, svgWidth)
	height := float64(svgTop + (len(lanes)+2)*svgLane + 64)
	t := timelinePicture{Report: r, width: width, bottom: float64(svgTop + len(lanes)*svgLane)}
	t.Canvas = picture.NewCanvas(width, height, "Timeline of a crash log", r.inWords())
	t.Text(12, 24, picture.Font{Size: 16}, r.Headline())
	t.Text(12, 46, picture.Font{}, fmt.Sprintf("%s, %s, %s judged", count.Of(r.Entries, "entry", "entries"), count.Of(r.Commits, "commit"), count.Of(r.States, "crash state")))
	t.crashes()
	for i, lane := range lanes {
		y := float64(svgTop + i*svgLane)
		t.Text(svgLeft-8, y+14, picture.Font{Anchor: picture.End}, lane.name)
		t.lane(y, lane.moment, picture.Lines[i%len(picture.Lines)])
	}
	t.firstFailure()
	t.axis(t.bottom + 58)
	t.legend(svgLeft, height-12)
	return t.Canvas
}

// inWords says what the timeline shows.
func (r *Report) inWords() string {
	text := fmt.Sprintf("%s. %s, with %s.", r.Headline(), count.Of(r.Entries, "entry", "entries"), count.Of(r.Commits, "commit"))
	if n := len(r.Windows); n > 0 {
		text += fmt.Sprintf(" Crashes are bad in %s, the first from entry %d on, the last up to entry %d.", count.Of(n, "epoch"), r.Windows[0].From, r.Windows[n-1].To-1)
	}
	return text
}

// timelinePicture is a timeline that is being drawn.
type timelinePicture struct {
	*Report
	*picture.Canvas
	width, bottom float64
}

// at is the position of an entry.
func (t *timelinePicture) at(entry int) float64 {
	return svgLeft + float64(entry)/float64(max(1, len(t.Timeline)))*(t.width-svgLeft-svgRight)
}

// crashes draws the band of crashes. It is fine where no crash is bad, as far
// as they were explored.
func (t *timelinePicture) crashes() {
	t.Text(svgLeft-8, t.bottom+16, picture.Font{Anchor: picture.End}, "a crash here")
	t.Rect(svgLeft, t.bottom+4, t.at(t.ExploredEntries)-svgLeft, svgCrash, picture.Fine, "")
	for _, win := range t.Windows {
		bad := badPaints[badLetter(win)]
		x, width := t.at(win.From), max(1.5, t.at(win.To)-t.at(win.From))
		tip := fmt.Sprintf("entries %d-%d: %s in %d of %d states", win.From, win.To-1, bad.name, max(win.Leaking, win.Corrupt, win.Broken, win.Lost), win.States)
		t.Rect(x, t.bottom+4, width, svgCrash, bad.paint, tip)
		t.Rect(x, svgTop-6, width, t.bottom-svgTop+6, picture.Paint{Fill: bad.paint.Fill, Opacity: 0.15}, tip)
	}
}

// lane draws the entries of one kind; neighbours that would touch are one
// stroke.
func (t *timelinePicture) lane(y float64, which Moment, colour string) {
	var path strings.Builder
	last := -1.0
	for i, m := range t.Timeline {
		if x := t.at(i); m == which && x-last >= 0.5 {
			fmt.Fprintf(&path, "M%.1f %.0fv%d", x, y+2, svgStroke)
			last = x
		}
	}
	if path.Len() > 0 {
		t.Path(path.String(), picture.Paint{Stroke: colour, Width: 1.2}, "")
	}
}

func (t *timelinePicture) firstFailure() {
	f := t.FirstFailure
	if f == nil {
		return
	}
	x := t.at(max(0, f.Entry))
	t.Path(fmt.Sprintf("M%.1f %.1fl-5 9h10z", x, t.bottom+23), picture.Paint{Fill: picture.Black}, "")
	beside, anchor := x+9, picture.Start
	if x > t.width/2 { // otherwise it would not fit before the edge
		beside, anchor = x-9, picture.End
	}
	t.Text(beside, t.bottom+33, picture.Font{Anchor: anchor}, fmt.Sprintf("first failure, %s: state %s", f.Where(), shortened(f.State, 60)))
}

// shortened is the start of a text that may be long.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most-3] + "..."
}

// axis draws the numbers of entries.
func (t *timelinePicture) axis(y float64) {
	n := max(1, len(t.Timeline))
	var path strings.Builder
	fmt.Fprintf(&path, "M%d %.1fH%.1f", svgLeft, y-14, t.width-svgRight)
	step := max(1, int(math.Ceil(picture.RoundStep(float64(n)/(t.width/120)))))
	for entry := 0; entry < n; entry += step {
		fmt.Fprintf(&path, "M%.1f %.1fv4", t.at(entry), y-14)
		t.Text(t.at(entry), y+2, picture.Font{Size: 11, Anchor: picture.Middle}, fmt.Sprint(entry))
	}
	t.Path(path.String(), picture.Paint{Stroke: picture.Axis}, "")
	t.Text(svgLeft-8, y+2, picture.Font{Size: 11, Anchor: picture.End}, "entry")
}

// legend says what the looks of a crash mean.
func (t *timelinePicture) legend(x, y float64) {
	entry := func(p picture.Paint, name string) {
		t.Rect(x, y-11, 14, 12, p, "")
		t.Text(x+20, y, picture.Font{}, name)
		x += 170
	}
	entry(picture.Fine, "a crash here is fine")
	for _, letter := range []byte("LWBX") {
		entry(badPaints[letter].paint, badPaints[letter].name)
	}
}
