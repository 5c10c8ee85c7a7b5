// The command activate: a snapshot from an existing store.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const activateHelp = `   Makes the snapshot NAME from a store that create made earlier. The store is
   verified first, and refused if it is damaged, invalid or has stale records.
   --repair repairs it first, as the command repair does.

   For a clone, give --base and --store; both may be files. Its store is always
   repaired first, since the machine may have crashed.

   While a store is inactive, writes to its origin are not copied to it: the
   snapshot shows them.

EXAMPLES:
   dmsnapctl activate snap --origin /dev/vdb --cow /dev/vdc --dry-run
   dmsnapctl activate snap --origin /dev/vdb --cow /dev/vdc --yes
   dmsnapctl activate vm1 --base debian.img --store /srv/vms/vm1.cow --yes`

func activateCommand() *cli.Command {
	return &cli.Command{
		Name:        "activate",
		Usage:       "make a snapshot from an existing store, after verifying it",
		ArgsUsage:   "NAME",
		Category:    categoryControl,
		Description: activateHelp,
		Flags: planFlags(
			&cli.StringFlag{Name: "origin", Usage: "the origin `DEVICE` of the store"},
			&cli.StringFlag{Name: "cow", Usage: "the `DEVICE` that holds the store"},
			&cli.StringFlag{Name: "base", Usage: "activate a clone of `IMAGE|DEVICE`"},
			&cli.StringFlag{Name: "store", Usage: "the `FILE|DEVICE` with the clone's store"},
			&cli.BoolFlag{Name: "overflow", Value: true, Usage: "keep the store valid when a write to the snapshot finds no room, if the kernel can"},
			&cli.BoolFlag{Name: "repair", Usage: "repair the store first if needed"},
			&cli.BoolFlag{Name: "force", Usage: "override refusals: activate a store even if it is damaged, invalid or has stale records"},
		),
		Action: withArgs("NAME", byName(runActivate)),
	}
}

func runActivate(c *cli.Context) error {
	if c.IsSet("base") || c.IsSet("store") {
		return runActivateClone(c)
	}
	if err := needFlags(c, "origin", "cow"); err != nil {
		return err
	}
	request := dmctl.ActivateRequest{
		Name:     c.Args().First(),
		Origin:   c.String("origin"),
		COW:      c.String("cow"),
		Overflow: c.Bool("overflow"),
		Repair:   c.Bool("repair"),
		Force:    c.Bool("force"),
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		return runPlan(c, o, ctl, []string{request.Name}, func() (*dmctl.Plan, error) { return ctl.PlanActivate(c.Context, request) })
	})(c)
}

func runActivateClone(c *cli.Context) error {
	if c.IsSet("origin") || c.IsSet("cow") {
		return usagef("activate: --base and --store are for clones, --origin and --cow for snapshots")
	}
	if err := needFlags(c, "base", "store"); err != nil {
		return err
	}
	r := dmctl.ActivateCloneRequest{
		Name:     c.Args().First(),
		Base:     c.String("base"),
		Store:    c.String("store"),
		Overflow: c.Bool("overflow"),
		Force:    c.Bool("force"),
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		return runPlan(c, o, ctl, []string{r.Name}, func() (*dmctl.Plan, error) { return ctl.PlanActivateClone(c.Context, r) })
	})(c)
}
