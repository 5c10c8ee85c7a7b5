// The command crash combine: add up the reports of the parts of an exploration.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/page"
)

const crashCombineHelp = `   Adds up the reports of "crash explore --shard I/N --json" for all I from 1 to N.
   The sum equals the report of a single exploration; its time is the sum of all
   parts. Missing or duplicate parts, and parts of another log or with other
   options, are refused. With --report and --timeline, the whole is drawn; that
   takes no log.

EXAMPLES:
   parallel dmsnapctl crash explore --log log.img --origin 0+16384 \
      --cow 16384+32768 --shard {}/4 --json '>' part{}.json ::: 1 2 3 4
   dmsnapctl crash combine part1.json part2.json part3.json part4.json`

func crashCombineCommand() *cli.Command {
	return &cli.Command{
		Name:        "combine",
		Usage:       "add up the reports of an exploration's parts",
		ArgsUsage:   "REPORT...",
		Description: crashCombineHelp,
		Flags:       append([]cli.Flag{failOnFlag()}, drawingFlags()...),
		Action:      withArgs("REPORT...", runCrashCombine),
	}
}

func runCrashCombine(c *cli.Context) error {
	o := outputOf(c)
	fail, err := failOn(c.String("fail-on"))
	if err != nil {
		return err
	}
	drawn, err := drawingsOf(c)
	if err != nil {
		return err
	}
	var reports []*crash.Report
	var read []explored
	for _, path := range c.Args().Slice() {
		r, err := readReport(c.Context, path)
		if err != nil {
			return leaving(err, "no sum was made")
		}
		read, reports = append(read, r), append(reports, r.Report)
	}
	sum, err := crash.Combine(reports)
	if err != nil {
		return err
	}
	for _, w := range sum.Warnings {
		o.warnf("%s", w)
	}
	next := adviceOnSum(sum, read)
	if o.json {
		err = o.printJSON(explored{exploreSchema, sum, next})
	} else {
		err = printExploration(o, sum, next, regions{})
	}
	if err != nil {
		return err
	}
	end := exploreEnd(o, "crash combine", sum, fail)
	switch {
	case !drawn.any():
		return end
	case sum.Timeline == nil:
		o.warnf("crash combine: nothing was drawn: a report was made by an older release, which keeps nothing for pictures")
		return exitStatus(exitUnknown)
	}
	if err := drawn.write(o, "the log "+sum.LogID, sum, commandsOf(next)); err != nil {
		return err
	}
	return end
}

// commandsOf is advice as a page shows it.
func commandsOf(next []advice) (list []page.Command) {
	for _, a := range next {
		list = append(list, page.Command{What: "To " + output.Text(a.Why) + ":", Line: output.Text(a.Command)})
	}
	return list
}

// adviceOnSum is the advice of the part whose first failure is the whole's.
func adviceOnSum(sum *crash.Report, parts []explored) []advice {
	whole, _ := firstFailure(sum)
	for _, p := range parts {
		if f, _ := firstFailure(p.Report); whole != nil && f != nil && f.State == whole.State {
			return p.Advice
		}
	}
	return []advice{}
}

// maxReport bounds the size of a report, in bytes.
const maxReport = 256 << 20

// readReport reads a report. A pipe may never say anything.
func readReport(ctx context.Context, path string) (explored, error) {
	var r explored
	err := interruptible(ctx, func() (err error) {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() // only read from
		r, err = decodeReport(f, maxReport)
		return err
	})
	if err != nil {
		return explored{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// decodeReport decodes a report of at most most bytes.
func decodeReport(in io.Reader, most int64) (r explored, err error) {
	bounded := &io.LimitedReader{R: in, N: most + 1}
	r.Report = &crash.Report{}
	err = json.NewDecoder(bounded).Decode(&r)
	switch {
	case bounded.N == 0:
		err = fmt.Errorf("not a report of an exploration: longer than %d bytes", most)
	case err != nil:
		err = fmt.Errorf("not a report of an exploration: %w", err)
	case r.Schema != exploreSchema:
		err = fmt.Errorf("not a report of an exploration: its schema is %q, not %q", r.Schema, exploreSchema)
	}
	return r, err
}
