// The command remove: a snapshot is deactivated, its store stays.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const removeHelp = `   Deactivates the snapshot NAME. Its store stays as it is; writes to the origin
   are no longer copied to it. With the last snapshot of an origin goes what
   was put over the origin.

EXAMPLES:
   dmsnapctl remove snap --dry-run
   dmsnapctl remove snap --yes`

func removeCommand() *cli.Command {
	return &cli.Command{
		Name:        "remove",
		Usage:       "deactivate a snapshot; its store stays as it is",
		ArgsUsage:   "NAME",
		Category:    categoryControl,
		Description: removeHelp,
		Flags: planFlags(
			&cli.BoolFlag{Name: "force", Usage: "remove a snapshot that dmsnapctl did not make"},
		),
		Action: withArgs("NAME", withController(runRemove)),
	}
}

func runRemove(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	request := dmctl.RemoveRequest{Name: c.Args().First(), Force: c.Bool("force")}
	return runPlan(c, o, ctl, request.Name, func() (*dmctl.Plan, error) { return ctl.PlanRemove(c.Context, request) })
}
