// The command suspend: a snapshot's I/O waits.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const suspendHelp = `   Holds all I/O to the snapshot NAME, after what is in flight is done and a file
   system on it is frozen. Its origin goes on. The end of it is resume.

EXAMPLES:
   dmsnapctl suspend snap --yes && dmsnapctl resume snap --yes`

func suspendCommand() *cli.Command {
	return planCommand("suspend", "hold all I/O to a snapshot", "NAME", suspendHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanSuspend(c.Context, c.Args().First())
		})
}
