// The timeline of a log as a picture.

package crash

import (
	"fmt"
	"io"
	"strings"
)

// Sizes of the picture, in pixels.
const (
	svgWidth = 1200
	svgLeft  = 130
	svgLane  = 26
	svgTop   = 70
	svgRight = 20
	// The lane of crashes is a band of this height.
	svgCrashLane = 14
	svgColour    = "#1b1b1b"
)

// colours of the lanes, in their order, and of bad windows.
var (
	laneColours = []string{"#3b7dd8", "#8a63c9", "#222222", "#2a9d57", "#d98b1f", "#888888"}
	fineColour  = "#8cc9a1"
	badColours  = map[byte]string{'X': "#c0182b", 'B': "#e0457b", 'L': "#e8b004"}
	badNames    = map[byte]string{'X': "corrupt", 'B': "broken image", 'L': "leak"}
)

// WriteTimeline draws the log as SVG: a lane for each kind of entry, and below
// them the windows in which a crash is bad.
func (r *Report) WriteTimeline(w io.Writer) error {
	s := &svg{}
	height := svgTop + (len(lanes)+2)*svgLane + 50
	s.open(svgWidth, height)
	s.text(12, 24, 16, "start", r.Headline())
	s.text(12, 46, 12, "start", fmt.Sprintf("%d entries, %d commits, %d crash states judged", r.Entries, r.Commits, r.States))
	n := max(1, len(r.Timeline))
	at := func(entry int) float64 {
		return svgLeft + float64(entry)/float64(n)*(svgWidth-svgLeft-svgRight)
	}
	bottom := float64(svgTop + len(lanes)*svgLane)
	// The lane of crashes is green where none of them is bad, as far as they
	// were explored.
	s.rect(svgLeft, bottom+4, at(r.ExploredEntries)-svgLeft, svgCrashLane, fineColour, 0.8, "")
	for _, win := range r.Windows {
		letter := badLetter(win)
		s.rect(at(win.From), bottom+4, max(1.5, at(win.To)-at(win.From)), svgCrashLane, badColours[letter], 1, "")
		s.rect(at(win.From), svgTop-6, max(1.5, at(win.To)-at(win.From)), bottom-svgTop+svgLane, badColours[letter], 0.35,
			fmt.Sprintf("entries %d-%d: %s in %d of %d states", win.From, win.To-1, badNames[letter], max(win.Leaking, win.Corrupt, win.Broken), win.States))
	}
	for i, lane := range lanes {
		y := float64(svgTop + i*svgLane)
		s.text(svgLeft-8, y+14, 12, "end", lane.name)
		s.lane(y, at, r.Timeline, lane.moment, laneColours[i])
	}
	s.text(svgLeft-8, bottom+14, 12, "end", "a crash here")
	if f := r.FirstFailure; f != nil {
		x := at(max(0, f.Entry))
		fmt.Fprintf(&s.b, `<path d="M%.1f %.1f l-5 10 h10 z" fill="#c0182b"/>`+"\n", x, bottom+22)
		beside, anchor := x+9, "start"
		if x > svgWidth/2 { // or it would not find room before the edge
			beside, anchor = x-9, "end"
		}
		s.text(beside, bottom+33, 12, anchor, fmt.Sprintf("first failure, %s: state %s", f.Where(), f.State))
	}
	s.text(svgLeft, float64(height-14), 12, "start", "entry 0")
	s.text(svgWidth-svgRight, float64(height-14), 12, "end", fmt.Sprintf("entry %d", n-1))
	s.legend(svgLeft+90, float64(height-24))
	return s.close(w)
}

// legend says what the colours of a crash mean.
func (s *svg) legend(x, y float64) {
	entry := func(colour, name string) {
		s.rect(x, y, 14, 12, colour, 1, "")
		s.text(x+20, y+10, 12, "start", name)
		x += 170
	}
	entry(fineColour, "a crash here is fine")
	for _, letter := range []byte("LBX") {
		entry(badColours[letter], badNames[letter])
	}
}

// lane draws the entries of one kind; neighbours that would touch are one
// stroke.
func (s *svg) lane(y float64, at func(int) float64, moments []Moment, which Moment, colour string) {
	var path strings.Builder
	last := -1.0
	for i, m := range moments {
		if x := at(i); m == which && x-last >= 0.5 {
			fmt.Fprintf(&path, "M%.1f %.0fv16", x, y+2)
			last = x
		}
	}
	if path.Len() > 0 {
		fmt.Fprintf(&s.b, `<path d="%s" stroke="%s" stroke-width="1.2"/>`+"\n", path.String(), colour)
	}
}

// svg is a picture in the making.
type svg struct{ b strings.Builder }

func (s *svg) open(width, height int) {
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">`+"\n", width, height, width, height)
	s.rect(0, 0, float64(width), float64(height), "#ffffff", 1, "")
}

func (s *svg) close(w io.Writer) error {
	s.b.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.b.String())
	return err
}

var svgEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func (s *svg) text(x, y float64, size int, anchor, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, size, anchor, svgColour, svgEscape.Replace(text))
}

func (s *svg) rect(x, y, width, height float64, colour string, opacity float64, title string) {
	fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity="%.2f">`, x, y, width, height, colour, opacity)
	if title != "" {
		fmt.Fprintf(&s.b, "<title>%s</title>", svgEscape.Replace(title))
	}
	s.b.WriteString("</rect>\n")
}
