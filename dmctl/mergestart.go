package dmctl

// The start of a merge, and the reasons to refuse one.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// planMergeStart turns the origin's device into a snapshot-merge. The kernel
// hands the store over from the snapshot's table to it, and requires the
// snapshot to be suspended meanwhile (drivers/md/dm-snap.c:
// snapshot_preresume); nobody has the snapshot open. Merging begins with the
// origin's resume. From there, there is no way back.
func (c *Controller) planMergeStart(p *Plan, v devices.View, d *devices.Device, originUnchanged, force bool) error {
	o, err := c.mergeable(v, d, originUnchanged, force)
	if err != nil {
		return err
	}
	p.Of = mergeOf(d, o)
	args, _ := d.SnapshotArgs()
	snap, origin := d.Ref(), o.Ref()
	merge := table.Single(o.Live.Size(), table.SnapshotMerge(args))
	failing := table.Single(d.Live.Size(), table.Error{})
	p.Add(plan.Load{Device: origin, Table: plan.Table{Known: merge}, What: gate.MergeTarget},
		plan.Load{Device: snap, Table: plan.Table{Known: failing}, What: "error"})
	p.BeginPause()
	// Before the snapshot can resume, two tables must be gone: the merge's,
	// because the kernel would require the store to be handed over to it first
	// (the same function), and the snapshot's own next table.
	p.Add(plan.Suspend{Device: snap, Flags: devices.FlagSkipLockFS, Clearing: []*devices.Ref{origin, snap}},
		plan.Swap{Device: origin, Old: plan.Table{Known: o.Live}, Udev: devices.UdevPrimary, What: ": the merge begins"})
	p.Finish(resumeAsError(d, ", whose I/O fails from now on"))
	p.EndPause()
	p.Finish(plan.DropCache{Device: origin, What: " from before"})
	return nil
}

// resumeAsError resumes a snapshot that is being merged with its waiting error
// table. If that fails it is tried once more from the start: the snapshot must
// not stay suspended, and its old table must not come back.
func resumeAsError(d *devices.Device, what string) plan.Step {
	return plan.Resume{Device: d.Ref(), Udev: devices.UdevHidden, What: what, Else: table.Single(d.Live.Size(), table.Error{})}
}

// mergeable makes every check that is possible before anything is changed, and
// finds the device to merge into.
func (c *Controller) mergeable(v devices.View, d *devices.Device, originUnchanged, force bool) (*devices.Device, error) {
	args, ok := d.SnapshotArgs()
	base, okBase := devices.ParseDev(args.Origin)
	if !ok || !okBase {
		return nil, devices.RefuseFor(ErrUnfinished, "it has no live snapshot table")
	}
	o := v.OriginOver(base)
	switch {
	case !args.Store.IsPersistent():
		return nil, devices.Refuse("it is transient: only a persistent store can be merged")
	case o == nil:
		return nil, devices.Refuse("its origin has no active snapshot-origin device")
	case d.Suspended():
		return nil, devices.RefuseFor(ErrSuspended, "it is suspended")
	case d.Role() == devices.RoleActivated && !originUnchanged:
		return nil, devices.RefuseFor(ErrMayBeChanged, "it was activated from an existing store: writes to the origin while the store was inactive would be mixed with it")
	}
	if _, merging := o.MergeArgs(); merging {
		return nil, devices.RefuseFor(ErrMerging, "another snapshot is being merged into %s", o.Name)
	}
	if err := checkIdle(o, true); err != nil {
		return nil, err
	}
	if err := c.checkWritable(base); err != nil {
		return nil, err
	}
	var s Snapshot
	if err := c.fillStatus(&s, d.Name); err != nil {
		return nil, err
	}
	if s.State != table.Active.String() && s.State != table.Overflow.String() {
		return nil, devices.Refuse("its state is %s", s.State)
	}
	if err := c.checkNotMounted(o, force); err != nil {
		return nil, err
	}
	users, err := c.lastingUsers(d)
	if err == nil && len(users) > 0 {
		err = devices.Busy("the snapshot is %s: while it is merged it cannot be read", host.InWords(users))
	}
	return o, err
}

// checkWritable refuses a merge that could not write a chunk.
func (c *Controller) checkWritable(origin blockdev.DevNo) error {
	d, err := c.e.OpenDev(origin)
	if err != nil {
		return err
	}
	defer d.Close() // only inspected
	if d.ReadOnly() {
		return devices.Refuse("the origin %s is read-only: nothing can be merged into it", d.Path())
	}
	return nil
}

// checkNotMounted refuses to turn the clock back underneath a mounted file
// system, which would continue with its cached state.
func (c *Controller) checkNotMounted(o *devices.Device, force bool) error {
	users, err := c.e.Users(o.Dev)
	if err != nil || len(users) == 0 {
		return err
	}
	if force {
		return nil
	}
	return devices.Because(ErrMounted, "%s is %s: merging takes it back to an earlier state", o.Name, host.InWords(users))
}
