package dmctl

// A merge that is under way, or that has failed, joined by another run.

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// planJoin finishes what a killed run had begun of a merge, and starts one
// anew that failed.
func (c *Controller) planJoin(p *Plan, d, o *device) error {
	var s Snapshot
	if err := c.fillStatus(&s, o.Name); err != nil {
		return err
	}
	if _, old := d.snapshotArgs(); old && d.Suspended() && d.HasInactive() {
		p.finish(fmt.Sprintf("resume %s, whose I/O fails from now on", d.Name),
			func() error { return c.resumeAsError(d) })
	}
	if s.State != table.MergeFailed.String() {
		return nil
	}
	return c.planMergeAgain(p, d, o)
}

// planMergeAgain starts a merge anew. The kernel loads no second merge of an
// origin, not even the same (drivers/md/dm-snap.c:
// __validate_exception_handover). So the store is handed back to the snapshot,
// for which the origin's device has to be suspended, and then merged as at
// first.
//
// What is written to the origin in between is copied to the store, as for any
// snapshot, and merging would take it back: nobody may have the origin open.
func (c *Controller) planMergeAgain(p *Plan, d, o *device) error {
	users, err := c.h.Users(o.Dev)
	if err != nil {
		return err
	}
	if len(users) > 0 || o.OpenCount > 0 {
		return &Error{"merge", d.Name.String(), busy("%s is %s: the merge failed, and to start it anew nobody may write to its origin; end that first",
			o.Name, inWords(append(users, openUser(o)...)))}
	}
	m, _ := o.mergeArgs()
	origin := table.Single(o.live.Size(), table.SnapshotOrigin{Device: m.Origin})
	c.addLoad(p, o, origin, "snapshot-origin")
	c.addLoad(p, d, table.Single(d.live.Size(), table.Snapshot(m)), "snapshot")
	p.beginPause()
	p.add(fmt.Sprintf("suspend %s", o.Name),
		func() error { return c.suspend(o.Name, wire.FlagSkipLockFS) },
		func() error { return errors.Join(c.clear(d.Name), c.clear(o.Name), c.resume(o.Name, wire.UdevPrimary)) })
	p.add(fmt.Sprintf("resume %s, which takes the store back", d.Name),
		func() error { return c.takeBack(d) }, nil)
	p.finish(fmt.Sprintf("resume %s with its new table", o.Name),
		func() error { return c.resumeWith(o.Name, origin) })
	p.endPause()
	p.finish("begin the merge as at first",
		func() error { return c.mergeAtFirst(d.Name) })
	return nil
}

// takeBack resumes a snapshot with the table to which the failed merge hands
// the store over. If that fails it becomes what it was: all its I/O fails.
func (c *Controller) takeBack(d *device) error {
	cause := c.resume(d.Name, wire.UdevHidden)
	if cause == nil {
		return nil
	}
	if err := c.load(d.Name, table.Single(d.live.Size(), table.Error{})); err != nil {
		return errors.Join(cause, err)
	}
	return errors.Join(cause, c.resume(d.Name, wire.UdevHidden))
}

// resumeWith resumes a suspended device with the table that waits, t; where
// that fails it is tried once more from the start.
func (c *Controller) resumeWith(name wire.Name, t table.Table) error {
	if c.resume(name, wire.UdevPrimary) == nil {
		return nil
	}
	if err := c.load(name, t); err != nil {
		return err
	}
	return c.resume(name, wire.UdevPrimary)
}

func (c *Controller) mergeAtFirst(name wire.Name) error {
	v, err := c.look()
	if err != nil {
		return err
	}
	d := v.byName(name)
	if d == nil {
		return &Error{"merge", name.String(), ErrNotFound}
	}
	// What these two ask about was settled when the merge began.
	m, err := c.mergeable(v, d, MergeRequest{OriginUnchanged: true, Force: true})
	if err != nil {
		return &Error{"merge", name.String(), err}
	}
	p := &Plan{Title: fmt.Sprintf("merge snapshot %s", name)}
	c.planMergeStart(p, d, m)
	return c.run(context.Background(), p)
}
