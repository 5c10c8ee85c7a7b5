// The command recover: what a killed run left is finished or undone.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const recoverHelp = `   Looks for what a run that was killed left behind, and finishes or undoes it.
   Where all is in order there is nothing to do.

   With --store-dir it looks into a directory of clones' stores as well: a file that
   no clone has ever had is deleted, and a note names each store that no clone has
   now.

EXAMPLES:
   dmsnapctl recover --dry-run
   dmsnapctl recover --yes
   dmsnapctl recover --store-dir /srv/vms --yes`

func recoverCommand() *cli.Command {
	command := planCommand("recover", "finish or undo what a killed run left", "", recoverHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			if c.IsSet("store-dir") {
				return ctl.PlanRecoverStores(c.Context, c.String("store-dir"))
			}
			return ctl.PlanRecover(c.Context)
		})
	command.Flags = append(command.Flags, &cli.StringFlag{Name: "store-dir", Usage: "look into `DIR` for stores, too"})
	return command
}
