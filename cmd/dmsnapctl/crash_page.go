// What crash explore draws in addition to its result: a timeline, and a page
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
	if d.timeline, err = logOutput(c, "timeline", output.Options{}); err != nil {
		return d, err
	}
	if d.page, err = logOutput(c, "report", output.Options{}); err != nil {
		return d, err
	}
	if d.timeline != nil && d.page != nil && output.SamePlace(d.timeline.Path(), d.page.Path()) {
		return d, usagef("crash explore: --timeline and --report name the same file %s", d.page.Path())
	}
	return d, nil
}

// write draws a report. The result is printed before, so that a full disk does
// not lose it.
func (d drawings) write(c *cli.Context, o *console, r *crash.Report, reproduce string) error {
	end := error(nil)
	if d.timeline != nil {
		if err := d.timeline.Write(r.WriteTimeline); err != nil {
			o.warnf("%s: the timeline: %w", c.String("log"), err)
			end = exitStatus(exitUnknown)
		}
	}
	if d.page != nil {
		p := page.Page{Log: output.Text(c.String("log")), Report: r, Version: "dmsnapctl " + version(), Next: nextCommands(r, output.Text(reproduce))}
		if err := d.page.Write(p.Write); err != nil {
			o.warnf("%s: the page: %w", c.String("log"), err)
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
