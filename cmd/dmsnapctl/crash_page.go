// What crash explore and combine draw in addition to their result: a timeline, and a page
// with all findings.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/page"
)

// drawings are where the pictures go; nil for those not requested.
type drawings struct{ timeline, page *output.Destination }

func drawingsOf(c *cli.Context) (d drawings, err error) {
	inputs := output.Options{Reads: c.Args().Slice()}
	if d.timeline, err = logOutput(c, "timeline", inputs); err != nil {
		return d, err
	}
	if d.page, err = logOutput(c, "report", inputs); err != nil {
		return d, err
	}
	if d.timeline != nil && d.page != nil && output.SamePlace(d.timeline.Path(), d.page.Path()) {
		return d, usagef("%s: --timeline and --report name the same file %s", commandName(c), d.page.Path())
	}
	return d, nil
}

func drawingFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "timeline", Usage: "draw the log and its bad windows to `FILE.svg`"},
		&cli.StringFlag{Name: "report", Usage: "write all findings to `FILE.html`, a self-contained page"},
	}
}

// any reports whether something is to be drawn.
func (d drawings) any() bool { return d.timeline != nil || d.page != nil }

// write draws the report of a log, and says what to run next. The result is
// printed before, so that a full disk does not lose it.
func (d drawings) write(o *console, log string, r *crash.Report, next []page.Command) error {
	end := error(nil)
	if d.timeline != nil {
		if err := d.timeline.Write(r.WriteTimeline); err != nil {
			o.warnf("%s: the timeline: %w", log, err)
			end = exitStatus(exitUnknown)
		}
	}
	if d.page != nil {
		p := page.Page{Log: output.Text(log), Report: r, Version: "dmsnapctl " + version(), Next: next}
		if err := d.page.Write(p.Write); err != nil {
			o.warnf("%s: the page: %w", log, err)
			end = exitStatus(exitUnknown)
		}
	}
	return end
}

// nextCommands are the commands that reproduce the first failures.
func nextCommands(r *crash.Report, reproduce string) (list []page.Command) {
	if f := r.FirstFailure; f != nil {
		list = append(list, page.Command{What: "The first failing state, as an image of the logged device:", Line: reproduce + " --state " + f.State + " --out state.img"})
	}
	if f := r.SecondCrash.FirstFailure; f != nil {
		list = append(list, page.Command{What: "The first failing state after a second crash:", Line: reproduce + " --state " + f.State + " --out second.img"})
	}
	if len(r.Failures) > 0 {
		list = append(list, page.Command{What: "The first image that fails the checker:", Line: checkedImage(r, reproduce)})
	}
	return list
}
