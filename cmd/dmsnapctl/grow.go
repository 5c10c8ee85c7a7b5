// The command grow: the store uses all of a COW device that has grown.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const growHelp = `   Makes the kernel use all of a COW device that has grown. A loop device takes
   the new size of its file. With --force, the snapshot may be one that another
   program made, such as a live system's overlay.

EXAMPLES:
   lvextend -L +1G vg/cow && dmsnapctl grow snap --yes
   truncate -s 2G cow.img && dmsnapctl grow snap --yes
   dmsnapctl grow live-rw --force --yes`

func growCommand() *cli.Command {
	command := planCommand("grow", "use all of a COW device that has grown", "NAME", growHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanGrow(c.Context, dmctl.GrowRequest{Name: c.Args().First(), Force: c.Bool("force")})
		})
	command.Flags = append(command.Flags, &cli.BoolFlag{Name: "force", Usage: "grow the store of a snapshot that another program made"})
	return command
}
