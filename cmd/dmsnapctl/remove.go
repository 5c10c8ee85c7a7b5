// The command remove: snapshots and clones are deactivated, their stores stay.

package main

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const removeHelp = `   Deactivates the snapshot or clone NAME. Its store is kept, but writes to the
   origin are no longer copied to it. Removing the last snapshot of an origin also
   removes the devices that create put over the origin.

   Clones are removed together; --delete-store then deletes their files. A clone
   that is mounted or open is kept, the others are removed, and the exit code is
   3.

EXAMPLES:
   dmsnapctl remove snap --dry-run
   dmsnapctl remove snap --yes
   dmsnapctl remove vm1 vm2 vm3 --delete-store --yes`

func removeCommand() *cli.Command {
	return &cli.Command{
		Name:        "remove",
		Usage:       "deactivate snapshots and clones; their stores are kept",
		ArgsUsage:   "NAME...",
		Category:    categoryControl,
		Description: removeHelp,
		Flags: planFlags(
			&cli.BoolFlag{Name: "delete-store", Usage: "also delete the clones' files"},
			&cli.BoolFlag{Name: "force", Usage: "remove a snapshot that dmsnapctl did not make"},
		),
		Action: withArgs("NAME...", withController(runRemove)),
	}
}

// runRemove removes clones as one plan. Of snapshots, each may be the last of
// its origin when those before it are gone: each has a plan of its own.
func runRemove(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	names := c.Args().Slice()
	if c.Bool("delete-store") || !slices.ContainsFunc(names, func(n string) bool { return !ctl.IsClone(n) }) {
		r := dmctl.RemoveClonesRequest{Names: names, DeleteStores: c.Bool("delete-store")}
		return runPlan(c, o, ctl, names, func() (*dmctl.Plan, error) { return ctl.PlanRemoveClones(c.Context, r) })
	}
	var errs []error
	for _, name := range names {
		r := dmctl.RemoveRequest{Name: name, Force: c.Bool("force")}
		errs = append(errs, runPlan(c, o, ctl, []string{name}, func() (*dmctl.Plan, error) { return ctl.PlanRemove(c.Context, r) }))
	}
	return errors.Join(errs...)
}
