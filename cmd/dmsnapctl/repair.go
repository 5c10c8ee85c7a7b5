// The command repair: a store made sound.

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

const repairHelp = `   Repairs a store without inventing content: clears records after the end of the
   list, and rewrites a lost header, as that of an invalidated store, if the areas
   show the chunk size. With --assume-canonical, damaged COW chunk numbers are set
   to their canonical value, if all others are canonical: right if no kernel that
   leaks chunks wrote the store. A store without an area of its list is refused.

EXAMPLES:
   dmsnapctl repair cow.img --dry-run
   dmsnapctl repair cow.img --undo cow.undo --yes`

func repairCommand() *cli.Command {
	return mendCommand("repair", "make a store sound again", "STORE", repairHelp, func(c *cli.Context) error {
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			p, err := mend.Repair(c.Context, dev, mend.RepairOptions{OriginBytes: origin, AssumeCanonical: c.Bool("assume-canonical")})
			if (errors.Is(err, verify.ErrDamaged) || errors.Is(err, mend.ErrUncertain)) && listed(c.Context, dev, origin) {
				err = fmt.Errorf("%w; extract --best-effort writes what is left", err)
			}
			return p, err
		})
	}, append(originFlags(), &cli.BoolFlag{Name: "assume-canonical", Usage: "derive damaged COW chunk numbers from the layout"})...)
}

// listed reports whether a best effort finds the exceptions of a store: it has a
// header, or its areas show one.
func listed(ctx context.Context, dev blockdev.Device, originBytes int64) bool {
	if _, err := store.Open(dev, dev.Size()); err == nil {
		return true
	}
	_, chunk, err := mend.WithHeader(ctx, dev, originBytes)
	return err == nil && chunk > 0
}
