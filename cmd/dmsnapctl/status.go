// The commands status and list: what the kernel says of snapshots now.

package main

import (
	"fmt"
	"math"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const statusHelp = `   Shows how full snapshots are and whether they are still good: those that this
   program made, LVM's, and all others, merges too. How full the store of an
   invalid snapshot is, its header and its exceptions tell.

   --format nagios is the one line of a monitoring plugin.

EXAMPLES:
   dmsnapctl status
   dmsnapctl status vg/snap --json | jq .snapshots[0].used_percent
   dmsnapctl status -w 90 --quiet || echo "look after the snapshots"
   dmsnapctl status --format nagios -w 80 -c 95`

const listHelp = `EXAMPLES:
   dmsnapctl list
   dmsnapctl list --json | jq -r .snapshots[].name`

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "show how full snapshots are and whether they are still good",
		ArgsUsage:   "[NAME]",
		Category:    categoryControl,
		Description: statusHelp,
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "threshold", Aliases: []string{"w"}, Value: 100, Usage: "exit with 1 when a snapshot is at `PERCENT` or over"},
			&cli.Float64Flag{Name: "critical", Aliases: []string{"c"}, Value: 100, Usage: "exit with 2 when a snapshot is at `PERCENT` or over", DefaultText: "never"},
			&cli.StringFlag{Name: "format", Value: formatText, Usage: "print the result as `FORMAT`: text, json, nagios or prometheus"},
		},
		Action: withArgs("[NAME]", withController(runStatus)),
	}
}

func listCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list the snapshots and their devices",
		Category:    categoryControl,
		Description: listHelp,
		Action:      withArgs("", withController(runList)),
	}
}

// snapshotJSON is a snapshot for machines. Sizes are in sectors.
type snapshotJSON struct {
	Name         string      `json:"name"`
	State        string      `json:"state"`
	Origin       string      `json:"origin"`
	OriginDevice string      `json:"origin_device"`
	COW          string      `json:"cow"`
	Persistent   bool        `json:"persistent"`
	ChunkSectors cow.Sectors `json:"chunk_sectors"`
	fullnessJSON
	EventNr   uint32 `json:"event_nr"`
	Suspended bool   `json:"suspended"`
	UUID      string `json:"uuid"`
	Kind      string `json:"kind"`
	Base      string `json:"base,omitempty"`
	Store     string `json:"store,omitempty"`
}

// fullnessJSON is null where the kernel's status line is a word instead of
// figures.
type fullnessJSON struct {
	AllocatedSectors *cow.Sectors `json:"allocated_sectors"`
	TotalSectors     *cow.Sectors `json:"total_sectors"`
	MetadataSectors  *cow.Sectors `json:"metadata_sectors"`
	UsedPercent      *float64     `json:"used_percent"`
}

func fullnessForMachines(s dmctl.Snapshot) (f fullnessJSON) {
	if !s.HasFigures() {
		return f
	}
	f = fullnessJSON{AllocatedSectors: &s.Allocated, TotalSectors: &s.Total, UsedPercent: &s.UsedPercent}
	if s.HasMetadata {
		f.MetadataSectors = &s.Metadata
	}
	return f
}

type snapshotsJSON struct {
	Schema    string         `json:"schema"`
	Snapshots []snapshotJSON `json:"snapshots"`
}

func snapshotsForMachines(o *console, snapshots []dmctl.Snapshot) snapshotsJSON {
	out := snapshotsJSON{Schema: schemaOf(o.command), Snapshots: []snapshotJSON{}}
	for _, s := range snapshots {
		out.Snapshots = append(out.Snapshots, snapshotForMachines(s))
	}
	return out
}

func snapshotForMachines(s dmctl.Snapshot) snapshotJSON {
	return snapshotJSON{
		Name: s.Name, State: s.State, Origin: s.Origin, OriginDevice: s.OriginDevice, COW: s.COW,
		Persistent: s.Persistent, ChunkSectors: s.ChunkSize,
		fullnessJSON: fullnessForMachines(s), EventNr: s.EventNr, Suspended: s.Suspended, UUID: s.UUID,
		Kind: s.Kind, Base: s.Base, Store: s.Store,
	}
}

// statusRequest is what the flags of status ask for.
type statusRequest struct {
	limits statusLimits
	format string
}

// statusLimits are how full a store may be, in percent.
type statusLimits struct {
	warning, critical float64 // critical is above 100 for none
}

func parseStatus(c *cli.Context, o *console) (r statusRequest, err error) {
	if r.limits.warning, err = percentFlag(c, "threshold"); err != nil {
		return r, err
	}
	if r.limits.critical, err = percentFlag(c, "critical"); err != nil {
		return r, err
	}
	if !c.IsSet("critical") {
		r.limits.critical = math.Inf(1)
	}
	r.format, err = formatFlag(c, o, statusFormats)
	return r, err
}

func runStatus(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	request, err := parseStatus(c, o)
	if err != nil {
		return err
	}
	snapshots, err := chosenSnapshots(c, ctl)
	if err != nil {
		return err
	}
	for i := range snapshots {
		if err := ctl.FillFromStore(c.Context, &snapshots[i]); err != nil {
			o.warnf("%s: how full its store is: %w", snapshots[i].Name, err)
		}
	}
	code := exitFine
	for _, s := range snapshots {
		code = max(code, statusCode(s, request.limits))
	}
	if err := writeStatus(o, snapshots, request, code); err != nil {
		return err
	}
	if code != exitFine {
		return exitStatus(code)
	}
	return nil
}

// chosenSnapshots is the one that is named, or all.
func chosenSnapshots(c *cli.Context, ctl *dmctl.Controller) ([]dmctl.Snapshot, error) {
	if c.NArg() == 0 {
		return ctl.Snapshots(c.Context)
	}
	s, err := ctl.SnapshotNamed(c.Context, c.Args().First())
	return []dmctl.Snapshot{s}, err
}

func runList(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	snapshots, err := ctl.Snapshots(c.Context)
	if err != nil {
		return err
	}
	if o.json {
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
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, output.Name(origin), through, output.Name(cow), store)
	}
	return w.Flush()
}

func inBytes(s cow.Sectors) string { return output.Bytes(uint64(s) * cow.SectorSize) }
