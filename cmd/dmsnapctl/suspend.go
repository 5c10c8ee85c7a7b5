// The command suspend: hold a snapshot's I/O.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const suspendHelp = `   Freezes a file system on the snapshot NAME, waits for I/O in flight, and then
   holds all I/O to it until resume. I/O to its origin continues.

EXAMPLES:
   dmsnapctl suspend snap --yes && dmsnapctl resume snap --yes`

func suspendCommand() *cli.Command {
	return planCommand("suspend", "hold all I/O to a snapshot", "NAME", suspendHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanSuspend(c.Context, c.Args().First())
		})
}
