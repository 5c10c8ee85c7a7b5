// The command create: a fresh snapshot.

package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const createHelp = `   Makes a fresh snapshot NAME of the origin. Changed chunks are kept on the COW
   device, whose chunks 0 and 1 are zeroed. A COW device that contains data is
   refused: a known signature, or a nonzero byte in its first MiB or in chunks 0
   and 1.

   If the origin is a plain block device, write to it through NAME-origin: writes
   to the block device itself are not copied.

   Origin and COW device may be files: each gets a loop device, which is removed
   with the snapshot.

EXAMPLES:
   dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --dry-run
   dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --yes
   dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc \
      --chunk-size 64K --yes`

func createCommand() *cli.Command {
	return &cli.Command{
		Name:        "create",
		Usage:       "make a fresh snapshot of an origin",
		ArgsUsage:   "NAME",
		Category:    categoryControl,
		Description: createHelp,
		Flags: planFlags(
			&cli.StringFlag{Name: "origin", Usage: "take a snapshot of `DEVICE`, a device or file"},
			&cli.StringFlag{Name: "cow", Usage: "keep changes on `DEVICE`, a device or file"},
			&cli.StringFlag{Name: "chunk-size", Value: "16K", Usage: "the `SIZE` of a chunk, a power of two"},
			&cli.BoolFlag{Name: "transient", Usage: "keep exceptions in memory only: the snapshot ends at shutdown"},
			&cli.BoolFlag{Name: "overflow", Value: true, Usage: "keep the store valid when a write to the snapshot finds no room, if the kernel can"},
			&cli.BoolFlag{Name: "discard-zeroes-cow", Usage: "treat discards of the snapshot as zeroes, without a copy"},
			&cli.BoolFlag{Name: "discard-passdown-origin", Usage: "pass these discards on to the origin"},
			&cli.BoolFlag{Name: "force", Usage: "override refusals: use a COW device even if it contains data"},
		),
		Action: withArgs("NAME", byName(runCreate)),
	}
}

func runCreate(c *cli.Context) error {
	request, err := createRequest(c)
	if err != nil {
		return err
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		return runPlan(c, o, ctl, []string{request.Name}, func() (*dmctl.Plan, error) { return ctl.PlanCreate(c.Context, request) })
	})(c)
}

// createRequest reads the command line. It reports mistakes before device
// mapper is used.
func createRequest(c *cli.Context) (r dmctl.CreateRequest, err error) {
	if err := needFlags(c, "origin", "cow"); err != nil {
		return r, err
	}
	chunk, err := sectorsFlag(c, "chunk-size")
	if err != nil {
		return r, err
	}
	if chunk == 0 { // which stands for the default in a request
		return r, usagef("create: --chunk-size 0: a chunk has at least one sector")
	}
	r = dmctl.CreateRequest{
		Name:                  c.Args().First(),
		Origin:                c.String("origin"),
		COW:                   c.String("cow"),
		ChunkBytes:            int64(chunk) * cow.SectorSize,
		Transient:             c.Bool("transient"),
		Overflow:              c.Bool("overflow"),
		DiscardZeroesCOW:      c.Bool("discard-zeroes-cow"),
		DiscardPassdownOrigin: c.Bool("discard-passdown-origin"),
		Force:                 c.Bool("force"),
	}
	if err := r.Check(); err != nil {
		return r, fmt.Errorf("create: %w", err)
	}
	return r, nil
}
