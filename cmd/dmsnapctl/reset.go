// The command reset: clones emptied to their base.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const resetHelp = `   Resets each clone NAME to its base: a new, empty store replaces the old file.
   Nothing else changes. A clone that is mounted or open is refused.

EXAMPLES:
   umount /mnt/vm1 && dmsnapctl reset vm1 --yes
   dmsnapctl reset vm1 vm2 vm3 --yes`

func resetCommand() *cli.Command {
	return &cli.Command{
		Name:        "reset",
		Usage:       "reset clones to their base",
		ArgsUsage:   "NAME...",
		Category:    categoryControl,
		Description: resetHelp,
		Flags:       planFlags(),
		Action: withArgs("NAME...", withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
			r := dmctl.ResetRequest{Names: c.Args().Slice()}
			return runPlan(c, o, ctl, r.Names, func() (*dmctl.Plan, error) { return ctl.PlanReset(c.Context, r) })
		})),
	}
}
