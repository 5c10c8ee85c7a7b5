// The command rename: another name for a snapshot.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const renameHelp = `   Gives the snapshot NAME another name, even while it is in use. The device for
   writes to its origin keeps its name.

EXAMPLES:
   dmsnapctl rename snap monday --yes`

func renameCommand() *cli.Command {
	return planCommand("rename", "give a snapshot another name", "NAME NEWNAME", renameHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanRename(c.Context, c.Args().First(), c.Args().Get(1))
		})
}
