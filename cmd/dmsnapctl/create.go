// The command create: a fresh snapshot.

package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const createHelp = `   Makes a fresh snapshot NAME of the origin, which keeps changed chunks on the
   COW device. Chunks 0 and 1 of the COW device are zeroed. One that carries
   anything is refused: a known signature, or a byte that is not zero within its
   first MiB or chunks 0 and 1.

   A plain block device as origin gets the device NAME-origin. Write to the
   origin through that one: writes that go to the block device directly are
   not copied.

   Files may stand for devices: each gets a loop device, which goes with the
   snapshot.

EXAMPLES:
   dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --dry-run
   dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --yes
   dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --chunk-size 64K --yes`

func createCommand() *cli.Command {
	return &cli.Command{
		Name:        "create",
		Usage:       "make a fresh snapshot of an origin",
		ArgsUsage:   "NAME",
		Category:    categoryControl,
		Description: createHelp,
		Flags: planFlags(
			&cli.StringFlag{Name: "origin", Usage: "the device or file, `DEVICE`, to take a snapshot of"},
			&cli.StringFlag{Name: "cow", Usage: "the device or file, `DEVICE`, that keeps what changes"},
			&cli.StringFlag{Name: "chunk-size", Value: "16K", Usage: "the `SIZE` of a chunk, a power of two"},
			&cli.BoolFlag{Name: "transient", Usage: "keep the exceptions in memory only: the snapshot ends with the machine"},
			&cli.BoolFlag{Name: "overflow", Value: true, Usage: "have the store stay valid when a write through the snapshot finds no room, where the kernel can"},
			&cli.BoolFlag{Name: "discard-zeroes-cow", Usage: "take a discard of the snapshot as zeroes, without a copy"},
			&cli.BoolFlag{Name: "discard-passdown-origin", Usage: "pass such discards on to the origin"},
			&cli.BoolFlag{Name: "force", Usage: "use a COW device that carries something, and the like"},
		),
		Action: withArgs("NAME", runCreate),
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

// createRequest reads the command line; what is wrong with it is said before
// device mapper is asked for.
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
		ChunkSize:             int64(chunk) * cow.SectorSize,
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
