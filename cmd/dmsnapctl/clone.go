// The command clone: writable disks over a read-only base.

package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const cloneHelp = `   Makes a writable disk /dev/mapper/NAME over the base for each NAME. Writes go
   to the clone's own store; the base does not change. The base is an image, which
   all its clones share through one read-only loop device, or a read-only block
   device. A writable device is refused.

   Stores are sparse files DIR/NAME.cow. A store can hold every chunk of the base,
   so it never fills, unless --store-size is smaller. With --transient, for
   throw-away machines, the store has no name and is removed with the clone. A
   clone that fails is undone; the others are made, and the exit code is 3.

   A store survives a reboot: 'activate NAME --base IMAGE --store FILE' makes its
   clone again.

EXAMPLES:
   dmsnapctl clone vm1 --base debian.img --store-dir /srv/vms --yes
   dmsnapctl clone vm1 vm2 vm3 --base debian.img --store-dir /srv/vms --yes
   dmsnapctl clone ci --base debian.img --store-dir /tmp --transient --yes
   blockdev --setro /dev/sdb &&
      dmsnapctl clone rescue --base /dev/sdb --store /mnt/rescue.cow --yes`

func cloneCommand() *cli.Command {
	return &cli.Command{
		Name:        "clone",
		Usage:       "make writable disks over a read-only base",
		ArgsUsage:   "NAME...",
		Category:    categoryControl,
		Description: cloneHelp,
		Flags: planFlags(
			&cli.StringFlag{Name: "base", Usage: "the `IMAGE|DEVICE` that the clones share"},
			&cli.StringFlag{Name: "store-dir", Usage: "create the stores NAME.cow in `DIR`"},
			&cli.StringFlag{Name: "store", Usage: "the `FILE|DEVICE` for the store of a single clone: a new file or a block device"},
			&cli.StringFlag{Name: "store-size", Usage: "the `SIZE` of each store (default: room for every chunk)"},
			&cli.StringFlag{Name: "chunk-size", Value: "4K", Usage: "the `SIZE` of a chunk, a power of two"},
			&cli.BoolFlag{Name: "transient", Usage: "keep nothing: the store is removed with the clone"},
			&cli.BoolFlag{Name: "force", Usage: "override refusals: use a base even if it is writable"},
		),
		Action: withArgs("NAME...", byName(runClone)),
	}
}

func runClone(c *cli.Context) error {
	r, err := cloneRequest(c)
	if err != nil {
		return err
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		return runPlan(c, o, ctl, r.Names, func() (*dmctl.Plan, error) { return ctl.PlanClone(c.Context, r) })
	})(c)
}

func cloneRequest(c *cli.Context) (r dmctl.CloneRequest, err error) {
	if err := needFlags(c, "base"); err != nil {
		return r, err
	}
	chunk, err := sectorsFlag(c, "chunk-size")
	if err != nil {
		return r, err
	}
	if chunk == 0 { // which stands for the default in a request
		return r, usagef("clone: --chunk-size 0: a chunk has at least one sector")
	}
	size, given, err := sizeFlag(c, "store-size")
	if err != nil {
		return r, err
	}
	if given && (size == 0 || int64(size) <= 0) {
		return r, usagef("clone: --store-size %s: not a possible size", c.String("store-size"))
	}
	if (c.String("store-dir") == "") == (c.String("store") == "") {
		return r, usagef("clone: want --store-dir or --store; see 'dmsnapctl clone --help'")
	}
	r = dmctl.CloneRequest{
		Names: c.Args().Slice(), Base: c.String("base"),
		StoreDir: c.String("store-dir"), Store: c.String("store"), StoreSize: int64(size),
		ChunkBytes: int64(chunk) * cow.SectorSize, Transient: c.Bool("transient"), Force: c.Bool("force"),
	}
	if err := r.Check(); err != nil {
		return r, fmt.Errorf("clone: %w", err)
	}
	return r, nil
}
