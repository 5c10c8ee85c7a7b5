// The command list: the snapshots and their devices.

package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const listHelp = `EXAMPLES:
   dmsnapctl list
   dmsnapctl list --json | jq -r .snapshots[].name`

func listCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list snapshots and their devices",
		Category:    categoryControl,
		Description: listHelp,
		Action:      withArgs("", withController(runList)),
	}
}

func runList(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	snapshots, err := ctl.Snapshots(c.Context)
	if err != nil {
		return err
	}
	if o.json {
		fillFromStores(c.Context, o, ctl, snapshots)
		return o.printJSON(snapshotsForMachines(o, snapshots))
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tORIGIN\tWRITE THROUGH\tCOW\tSTORE")
	for _, s := range snapshots {
		store := "persistent"
		if !s.Persistent {
			store = "transient"
		}
		origin, through, cow := s.Origin, s.OriginDevice, s.COW
		if s.Kind == dmctl.KindClone {
			origin, through, cow = s.Base, "-", s.Store
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", output.Name(s.Name), output.Name(origin), output.Name(through), output.Name(cow), store)
	}
	return w.Flush()
}
