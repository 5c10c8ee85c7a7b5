// The command crash combine: add up the reports of the parts of an exploration.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

const crashCombineHelp = `   Adds up what "crash explore --shard I/N --json" found, for all I from 1 to N.
   The sum is the report of exploring all at once; its time is that of all parts
   together. Parts that are missing, double, of another log or made with other
   options are refused.

EXAMPLES:
   parallel dmsnapctl crash explore --log log.img --origin 0+16384 \
      --cow 16384+32768 --shard {}/4 --json '>' part{}.json ::: 1 2 3 4
   dmsnapctl crash combine part1.json part2.json part3.json part4.json`

func crashCombineCommand() *cli.Command {
	return &cli.Command{
		Name:        "combine",
		Usage:       "add up the reports of the parts of an exploration",
		ArgsUsage:   "REPORT...",
		Description: crashCombineHelp,
		Flags:       []cli.Flag{failOnFlag()},
		Action:      withArgs("REPORT...", runCrashCombine),
	}
}

func runCrashCombine(c *cli.Context) error {
	o := outputOf(c)
	fail, err := failOn(c.String("fail-on"))
	if err != nil {
		return err
	}
	var reports []*crash.Report
	for _, path := range c.Args().Slice() {
		r, err := readReport(path)
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	sum, err := crash.Combine(reports)
	if err != nil {
		return err
	}
	for _, w := range sum.Warnings {
		o.warnf("%s", w)
	}
	if o.json {
		err = o.printJSON(sum)
	} else {
		err = printExploration(o, sum, "", regions{})
	}
	if err != nil {
		return err
	}
	return exploreEnd(o, "crash combine", sum, fail)
}

// maxReport bounds a report that is read.
const maxReport = 256 << 20

func readReport(path string) (r *crash.Report, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxReport {
		return nil, fmt.Errorf("%s: %d bytes are no report of an exploration", path, info.Size())
	}
	r = &crash.Report{}
	if err := json.NewDecoder(f).Decode(r); err != nil {
		return nil, fmt.Errorf("%s: no report of an exploration: %w", path, err)
	}
	return r, nil
}
