// The command recover: what a killed run left is finished or undone.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const recoverHelp = `   Looks for what a run that was killed left behind, and finishes or undoes it.
   Where all is in order there is nothing to do.

EXAMPLES:
   dmsnapctl recover --dry-run
   dmsnapctl recover --yes`

func recoverCommand() *cli.Command {
	return planCommand("recover", "finish or undo what a killed run left", "", recoverHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanRecover(c.Context)
		})
}
