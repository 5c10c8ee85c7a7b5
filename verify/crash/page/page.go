// Package page writes the report of an exploration as one self-contained HTML
// page: no script, style or picture from elsewhere.
//
// It knows reports and pictures. It knows no command: the caller passes what to
// run next as text. All texts are escaped.
package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// Page is the content of a page.
type Page struct {
	Log     string // name of the log
	Report  *crash.Report
	Version string // of the program
	// Next are commands that reproduce the first failures.
	Next []Command
}

// Command is a command line and its purpose.
type Command struct{ What, Line string }

// drawing is a picture in the page.
type drawing struct {
	ID    string
	Label string
	SVG   template.HTML
}

// widths are the timeline's zoom levels, without a script.
var widths = []struct {
	label string
	by    float64
}{{"all of it", 1}, {"4 times", 4}, {"16 times", 16}}

// perEntry is the most pixels per entry in a zoomed picture.
const perEntry = 40

// fit is a picture's width without zoom.
const fit = 1200

//go:embed page.html
var source string

// form is parsed when the first page is written: every start of a program that
// can write pages would pay for it otherwise.
var form = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(source)) })

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	timelines, err := p.timelines()
	if err != nil {
		return err
	}
	states, err := inline("states", "", p.Report.StatesPicture(fit))
	if err != nil {
		return err
	}
	first := p.firstState()
	failure, err := inline("failure", "", p.Report.StatePicture(first))
	if err != nil {
		return err
	}
	return form().Execute(w, map[string]any{
		"Page": p, "R": p.Report, "Class": p.class(), "Verdict": p.verdict(),
		"Timelines": timelines, "States": states, "Failure": failure, "First": first, "Violations": p.Report.Violations[:min(10, len(p.Report.Violations))],
	})
}

// class is how good the verdict is: good, doubt or bad.
func (p *Page) class() string {
	r := p.Report
	switch {
	case r.CorruptStates+r.BrokenImageStates+r.LeakingStates+r.FailedChecks+r.LostWriteStates > 0, r.SecondCrash.Bad():
		return "bad"
	case len(r.Doubts) > 0, r.UndecidedChecks > 0, r.ExploredEntries < r.Entries:
		return "doubt"
	default:
		return "good"
	}
}

func (p *Page) verdict() string {
	return map[string]string{"bad": "✗ failing", "doubt": "? undecided", "good": "✓ fine"}[p.class()]
}

// firstState is the first failing state, or "".
func (p *Page) firstState() string {
	r := p.Report
	switch {
	case r.FirstFailure != nil:
		return r.FirstFailure.State
	case len(r.Failures) > 0:
		return r.Failures[0].State
	default:
		return ""
	}
}

func (p *Page) timelines() (list []drawing, err error) {
	for i, w := range widths {
		width := min(fit*w.by, float64(len(p.Report.Timeline)*perEntry))
		if i > 0 && width <= fit*widths[i-1].by {
			break
		}
		d, err := inline(fmt.Sprintf("timeline%d", i), w.label, p.Report.TimelinePicture(width))
		if err != nil {
			return nil, err
		}
		list = append(list, *d)
	}
	return list, nil
}

// inline returns a picture as part of the page, or nil if there is none.
func inline(id, label string, c *picture.Canvas) (*drawing, error) {
	if c == nil {
		return nil, nil
	}
	c.ID = id + "-"
	var b strings.Builder
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	return &drawing{ID: id, Label: label, SVG: template.HTML(b.String())}, nil // the canvas escapes
}
