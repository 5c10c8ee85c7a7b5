// The command grow: the store uses all of a COW device that has grown.

package main

import (
	"math"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const growHelp = `   Makes the kernel use all of a COW device that has grown. A loop device takes
   the new size of its file; --by first grows that file, to no more than the store
   can use. With --force, the snapshot may be one that another
   program made, such as a live system's overlay.

EXAMPLES:
   lvextend -L +1G vg/cow && dmsnapctl grow snap --yes
   truncate -s 2G cow.img && dmsnapctl grow snap --yes
   dmsnapctl grow snap --by 1G --yes
   dmsnapctl grow live-rw --force --yes`

func growCommand() *cli.Command {
	command := planCommand("grow", "use all of a COW device that has grown", "NAME", growHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			by, given, err := sizeFlag(c, "by")
			if err == nil && given && (by == 0 || by > math.MaxInt64) {
				err = usagef("grow: --by %s: want more than 0, and less than 8 EiB", c.String("by"))
			}
			if err != nil {
				return nil, err
			}
			return ctl.PlanGrow(c.Context, dmctl.GrowRequest{Name: c.Args().First(), Force: c.Bool("force"), By: int64(by)})
		})
	command.Flags = append(command.Flags,
		&cli.StringFlag{Name: "by", Usage: "first grow the file under the COW device by `SIZE`"},
		&cli.BoolFlag{Name: "force", Usage: "grow the store of a snapshot that another program made"})
	return command
}
