package dmctl

// Joining a merge that is under way or has failed.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// planJoin finishes what a killed run began of a merge, and restarts one that
// failed.
func (c *Controller) planJoin(p *Plan, d, o *devices.Device) error {
	var s Snapshot
	if err := c.fillStatus(&s, o.Name); err != nil {
		return err
	}
	if _, old := d.SnapshotArgs(); old && d.Suspended() && d.HasInactive() {
		p.Finish(resumeAsError(d, ", whose I/O fails from now on"))
	}
	if s.State != table.MergeFailed.String() {
		return nil
	}
	return c.planMergeAgain(p, d, o)
}

// planMergeAgain restarts a merge. The kernel loads no second merge of an
// origin, not even the same one (drivers/md/dm-snap.c:
// __validate_exception_handover). So the store is handed back to the snapshot,
// with the origin's device suspended, and then merged as it was the first time.
//
// A write to the origin in between would be copied to the store, as for any
// snapshot, and the merge would revert it: so nobody may have the origin open.
func (c *Controller) planMergeAgain(p *Plan, d, o *devices.Device) error {
	users, err := c.lastingUsers(o)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return devices.Busy("%s is %s: the merge failed, and nobody may write to the origin while it is restarted; end that first",
			o.Name, host.InWords(users))
	}
	m, _ := o.MergeArgs()
	snap, origin := d.Ref(), o.Ref()
	over := table.Single(o.Live.Size(), table.SnapshotOrigin{Device: m.Origin})
	failing := table.Single(d.Live.Size(), table.Error{})
	p.Add(plan.Load{Device: origin, Table: plan.Table{Known: over}, What: "snapshot-origin"},
		plan.Load{Device: snap, Table: plan.Table{Known: table.Single(d.Live.Size(), table.Snapshot(m))}, What: "snapshot"})
	p.BeginPause()
	p.Add(plan.Suspend{Device: origin, Flags: wire.FlagSkipLockFS, Clearing: []*devices.Ref{snap, origin}},
		plan.Resume{Device: snap, Udev: wire.UdevHidden, What: ", which takes the store back", Else: failing, Fails: true})
	p.Finish(plan.Resume{Device: origin, Udev: wire.UdevPrimary, What: " with its new table", Else: over})
	p.EndPause()
	p.Finish(plan.Do{What: "begin the merge as at first", Run: func() error { return c.mergeAtFirst(d.Name) }})
	return nil
}

func (c *Controller) mergeAtFirst(name devices.Name) error {
	v, err := devices.Look(c.e)
	if err != nil {
		return err
	}
	p := &Plan{Title: fmt.Sprintf("merge snapshot %s", name)}
	d := v.ByName(name)
	if d == nil {
		return &Error{Op: "merge", Name: name.String(), Err: ErrNotFound}
	}
	// Both were settled when the merge began.
	if err := c.planMergeStart(p, v, d, true, true); err != nil {
		return &Error{Op: "merge", Name: name.String(), Err: err}
	}
	return c.e.RunLocked(context.Background(), p)
}
