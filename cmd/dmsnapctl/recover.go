// The command recover: clean up after an interrupted run.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const recoverHelp = `   Finds what killed runs left behind, and finishes or undoes it. If all is in
   order there is nothing to do.

   With --store-dir it also looks at a directory of clones' stores: it deletes
   files that no clone ever used, and notes each store that no clone uses now.

EXAMPLES:
   dmsnapctl recover --dry-run
   dmsnapctl recover --yes
   dmsnapctl recover --store-dir /srv/vms --yes`

func recoverCommand() *cli.Command {
	command := planCommand("recover", "clean up after an interrupted run", "", recoverHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			if c.IsSet("store-dir") {
				return ctl.PlanRecoverStores(c.Context, c.String("store-dir"))
			}
			return ctl.PlanRecover(c.Context)
		})
	command.Flags = append(command.Flags, &cli.StringFlag{Name: "store-dir", Usage: "also look for stores in `DIR`"})
	return command
}
