// The command repair: a store made sound.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const repairHelp = `   Repairs a store without inventing content: clears records after the end of the
   list, extends a truncated file if nothing is missing, and rewrites a lost header
   if the areas show the chunk size. With --assume-canonical, damaged COW chunk
   numbers are set to their canonical value, if all others are canonical.

EXAMPLES:
   dmsnapctl repair cow.img --dry-run
   dmsnapctl repair cow.img --undo cow.undo --yes`

func repairCommand() *cli.Command {
	return mendCommand("repair", "make a store sound again", "STORE", repairHelp, func(c *cli.Context) error {
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Repair(c.Context, dev, mend.RepairOptions{OriginBytes: origin, AssumeCanonical: c.Bool("assume-canonical")})
		})
	}, append(originFlags(), &cli.BoolFlag{Name: "assume-canonical", Usage: "derive damaged COW chunk numbers from the layout"})...)
}
