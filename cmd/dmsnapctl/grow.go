// The command grow: the store uses all of a COW device that has grown, or its
// file grows.

package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const growHelp = `   Makes the kernel use all of a COW device that has grown. A loop device takes
   the new size of its file; --by first grows that file, to no more than the store
   can use. With --force, the snapshot may be one that another
   program made, such as a live system's overlay.

   A store's file may be named instead of the snapshot. If no snapshot uses it, it
   only grows, by --by.

EXAMPLES:
   lvextend -L +1G vg/cow && dmsnapctl grow snap --yes
   truncate -s 2G cow.img && dmsnapctl grow snap --yes
   dmsnapctl grow snap --by 1G --yes
   dmsnapctl grow live-rw --force --yes
   dmsnapctl grow cow.img --by 1G --yes`

func growCommand() *cli.Command {
	const args = "NAME"
	command := planCommand("grow", "use all of a COW device that has grown", args, growHelp, growActive)
	command.Flags = append(command.Flags,
		&cli.StringFlag{Name: "by", Usage: "first grow the file under the COW device by `SIZE`"},
		&cli.BoolFlag{Name: "force", Usage: "grow the store of a snapshot that another program made"})
	command.Action = withArgs(args, growNamed(command.Action))
	return command
}

// growNamed grows the store of the snapshot that the argument names or, if there
// is none, the file of that name.
func growNamed(snapshot cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		name := c.Args().First()
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || storeOfSnapshot(c.Context, name) != "" {
			return snapshot(c)
		}
		by, err := growBy(c, "by")
		if err == nil && by == 0 {
			err = usagef("grow: %s is a file; add --by SIZE to enlarge it", name)
		}
		if err != nil {
			return err
		}
		return mended(c, func(dev blockdev.Device, _ int64) (*mend.Plan, error) { return mend.Grow(c.Context, dev, by) })
	}
}

// growActive plans to grow the store of an active snapshot.
func growActive(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
	by, err := growBy(c, "by")
	if err != nil {
		return nil, err
	}
	return ctl.PlanGrow(c.Context, dmctl.GrowRequest{Name: c.Args().First(), Force: c.Bool("force"), By: by})
}
