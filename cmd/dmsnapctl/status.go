// The command status: the present state of snapshots.

package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const statusHelp = `   Shows how full snapshots and merges are and whether they are still valid, also
   those of LVM and other programs. For an invalid snapshot, the figures come from
   the store's header and exceptions.

   --format nagios prints the line of a monitoring plugin, also where it fails.

EXAMPLES:
   dmsnapctl status
   dmsnapctl status vg/snap --json | jq .snapshots[0].used_percent
   dmsnapctl status -w 90 --quiet || echo "look after the snapshots"
   dmsnapctl status --format nagios -w 80 -c 95`

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "show how full snapshots are and whether they are valid",
		ArgsUsage:   "[NAME]",
		Category:    categoryControl,
		Description: statusHelp,
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "threshold", Aliases: []string{"w"}, Value: 100, Usage: "exit with 1 if a snapshot is at least `PERCENT` full"},
			&cli.Float64Flag{Name: "critical", Aliases: []string{"c"}, Value: 100, Usage: "exit with 2 if a snapshot is at least `PERCENT` full", DefaultText: "never"},
			&cli.StringFlag{Name: "format", Value: formatText, Usage: "print the result as `FORMAT`: text, json, nagios or prometheus"},
		},
		Action: withArgs("[NAME]", orUnknown(withController(runStatus))),
	}
}

// statusRequest is what the flags of status request.
type statusRequest struct {
	limits statusLimits
	format string
}

// statusLimits are how full a store may be, in percent.
type statusLimits struct {
	warning, critical float64 // critical is above 100 for none
}

func parseStatus(c *cli.Context, o *console) (r statusRequest, err error) {
	if r.limits.warning, err = percentFlag(c, "threshold"); err != nil {
		return r, err
	}
	if r.limits.critical, err = percentFlag(c, "critical"); err != nil {
		return r, err
	}
	if !c.IsSet("critical") {
		r.limits.critical = math.Inf(1)
	}
	r.format, err = formatFlag(c, o, statusFormats)
	return r, err
}

func runStatus(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	request, err := parseStatus(c, o)
	if err != nil {
		return err
	}
	snapshots, err := chosenSnapshots(c, ctl)
	if err != nil {
		return err
	}
	fillFromStores(c.Context, o, ctl, snapshots)
	code := exitFine
	for _, s := range snapshots {
		code = max(code, statusCode(s, request.limits))
	}
	if err := writeStatus(o, snapshots, request, code); err != nil {
		return err
	}
	if code != exitFine {
		return exitStatus(code)
	}
	return nil
}

// orUnknown returns an action that prints a monitoring plugin's line if it
// fails and that line is wanted.
func orUnknown(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		err := action(c)
		if _, told := errors.AsType[exitStatus](err); err != nil && !told && c.String("format") == formatNagios {
			_, _ = fmt.Fprintln(outputOf(c).out, output.PluginLine("UNKNOWN", explained(err)))
		}
		return err
	}
}

// chosenSnapshots is the named snapshot, or all.
func chosenSnapshots(c *cli.Context, ctl *dmctl.Controller) ([]dmctl.Snapshot, error) {
	if c.NArg() == 0 {
		return ctl.Snapshots(c.Context)
	}
	s, err := ctl.SnapshotNamed(c.Context, c.Args().First())
	return []dmctl.Snapshot{s}, err
}
