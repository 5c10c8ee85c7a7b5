// Command recording runs a command and draws its output as an SVG that shows
// its lines one after another, in the rhythm in which they were printed:
//
//	recording -o FILE [-title TEXT] -- COMMAND [ARG...]
//
// The picture shows the output of this run, in a few seconds. It begins with the
// first line. If the reader asked for less
// motion, and in viewers without animation, all lines are visible at once.
package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode/utf8"
)

func main() {
	out := flag.String("o", "", "the picture: `FILE`")
	title := flag.String("title", "", "what stands above the lines (default: the command)")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: recording -o FILE [-title TEXT] -- COMMAND [ARG...]")
		os.Exit(64)
	}
	if *title == "" {
		*title = strings.Join(flag.Args(), " ")
	}
	if err := record(*out, *title, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(3)
	}
}

func record(path, title string, command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines, err := listen(io.TeeReader(said, os.Stdout), time.Now)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	if len(lines) == 0 {
		return fmt.Errorf("%s printed nothing", title)
	}
	return os.WriteFile(path, draw(title, lines), 0o644)
}

// line is a printed line, and its time since the start.
type line struct {
	at   time.Duration
	text string
}

func listen(r io.Reader, now func() time.Time) (lines []line, err error) {
	start := now()
	in := bufio.NewScanner(r)
	for in.Scan() {
		lines = append(lines, line{now().Sub(start), strings.TrimRight(in.Text(), " ")})
	}
	return lines, in.Err()
}

const (
	// longest bounds the pause between two lines in the picture, and whole the
	// time of all of them: a longer run is shown faster.
	longest = 1500 * time.Millisecond
	whole   = 6 * time.Second

	size    = 13.0 // of the font
	advance = size * 0.602
	leading = 19.0
	margin  = 16.0
	bar     = 30.0 // above the lines, with the title
)

// shortened returns the times of lines in the picture, in tenths of a second. The
// first line is there from the start.
func shortened(lines []line) []time.Duration {
	times := make([]time.Duration, len(lines))
	end := time.Duration(0)
	for i := 1; i < len(lines); i++ {
		end += min(lines[i].at-lines[i-1].at, longest)
		times[i] = end
	}
	for i, at := range times {
		if end > whole {
			at = time.Duration(float64(at) * float64(whole) / float64(end))
		}
		times[i] = at.Round(100 * time.Millisecond)
	}
	return times
}

func draw(title string, lines []line) []byte {
	columns := utf8.RuneCountInString(title) + 2
	var spoken strings.Builder
	for _, l := range lines {
		columns = max(columns, utf8.RuneCountInString(l.text))
		spoken.WriteString(l.text + "\n")
	}
	width := math.Ceil(2*margin + float64(columns)*advance)
	height := bar + 1.5*margin + float64(len(lines))*leading
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %[1]g %[2]g" font-family="ui-monospace, 'DejaVu Sans Mono', monospace" font-size="%[3]g" role="img" aria-labelledby="title desc">`+"\n", width, height, size)
	fmt.Fprintf(&b, "<title id=\"title\">A recording of %s</title>\n<desc id=\"desc\">%s</desc>\n", escape(title), escape(spoken.String()))
	b.WriteString(style)
	fmt.Fprintf(&b, `<rect class="paper" x=".5" y=".5" width="%g" height="%g" rx="8"/>`+"\n", width-1, height-1)
	fmt.Fprintf(&b, `<text class="title" x="%g" y="21">$ %s</text>`+"\n", margin, escape(title))
	for i, at := range shortened(lines) {
		if lines[i].text == "" {
			continue
		}
		appears := ""
		if at > 0 {
			appears = fmt.Sprintf(` class="line" style="animation-delay:%.1fs"`, at.Seconds())
		}
		fmt.Fprintf(&b, `<text%s xml:space="preserve" x="%g" y="%g">%s</text>`+"\n", appears, margin, bar+margin+float64(i)*leading, escape(lines[i].text))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// style has the colours for light and dark pages, each with a contrast above 7,
// and the appearance of a line.
const style = `<style>
.paper { fill: #f6f8fa; stroke: #8c959f; }
text { fill: #1b1f24; white-space: pre; }
.title { fill: #0b3c6f; font-weight: bold; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #15181b; stroke: #6e7681; }
  text { fill: #e8e8e8; }
  .title { fill: #9fd0f7; }
}
@media (prefers-reduced-motion: no-preference) {
  .line { animation: appear .1s both; }
  @keyframes appear { from { opacity: 0; } to { opacity: 1; } }
}
</style>
`

// escape makes text valid in elements; what XML cannot represent becomes
// U+FFFD.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return strings.NewReplacer("&#xA;", "\n", "&#x9;", " ").Replace(b.String())
}
