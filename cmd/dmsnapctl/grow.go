// The command grow: the store uses all of a COW device that has grown.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const growHelp = `   Has the kernel use all of a COW device that has grown. A loop device takes the
   new size of its file.

EXAMPLES:
   lvextend -L +1G vg/cow && dmsnapctl grow snap --yes
   truncate -s 2G cow.img && dmsnapctl grow snap --yes`

func growCommand() *cli.Command {
	return planCommand("grow", "use all of a COW device that has grown", "NAME", growHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanGrow(c.Context, c.Args().First())
		})
}
