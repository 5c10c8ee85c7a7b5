package dmctl

// The end of a merge: waiting for it and cleaning up its devices. Several runs
// may wait for the same merge. One of them ends it; the others must not mistake
// that for a snapshot that vanished.

import (
	"context"
	"fmt"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// mergePause is the time between looks at a merge; the kernel reports no
// progress.
const mergePause = 200 * time.Millisecond

// mergeDone reports whether a merging snapshot has nothing left to merge.
func (s Snapshot) mergeDone() bool {
	return s.State == StateMerging && s.HasMetadata && s.Allocated == s.Metadata
}

// mergeRun is a merge that this run began or saw under way.
type mergeRun struct {
	name     devices.Name
	snapshot devices.UUID
	origin   blockdev.DevNo // of the device that the snapshot is merged into
}

func mergeOf(d, o *devices.Device) *mergeRun { return &mergeRun{d.Name, d.UUID, o.Dev} }

// find returns the two devices of a merge under way, nil otherwise.
func (m *mergeRun) find(v devices.View) (d, o *devices.Device) {
	for _, d := range v {
		if d.UUID == m.snapshot {
			if o := v.MergingInto(d); o != nil {
				return d, o
			}
		}
	}
	return nil, nil
}

// isOver reports whether a merge, seen before, was finished: its snapshot is
// gone, and its origin no longer merges. The view must have been read under the
// lock.
func (m *mergeRun) isOver(v devices.View) bool {
	if m == nil {
		return false
	}
	for _, d := range v {
		if _, merging := d.MergeArgs(); d.UUID == m.snapshot || merging && d.Dev == m.origin {
			return false
		}
	}
	return true
}

// FinishMerge waits for a merge that a plan of PlanMerge began or joined, and
// then removes the devices made for the snapshot. By then its store is empty.
// Another run waiting for the same merge may remove them first.
func (c *Controller) FinishMerge(ctx context.Context, p *Plan, progress func(Snapshot)) error {
	m, ok := p.Of.(*mergeRun)
	if !ok {
		return fmt.Errorf("%s: not a merge", p.Title)
	}
	for {
		v, err := devices.Look(c.e)
		if err != nil {
			return err
		}
		going := false
		if d, o := m.find(v); o != nil {
			s, _, err := c.snapshotOf(v, d)
			if err != nil && !devices.IsGone(err) {
				return err
			}
			going = err == nil && !s.mergeDone()
			if progress != nil && err == nil {
				progress(s)
			}
			if err := m.failure(s); err != nil {
				return err
			}
		}
		if !going {
			if over, err := c.endMerge(ctx, m); over || err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return &Error{Op: "merge", Name: m.name.String(), Err: fmt.Errorf("%w (%w)", ErrStillMerging, ctx.Err())}
		}
		c.e.Sleep(mergePause)
	}
}

// failure returns the error that a merge's state stands for, if any.
func (m *mergeRun) failure(s Snapshot) error {
	switch s.State {
	case table.MergeFailed.String():
		return &Error{Op: "merge", Name: m.name.String(), Err: ErrMergeFailed}
	case table.Invalid.String():
		return &Error{Op: "merge", Name: m.name.String(), Err: ErrMergeInvalid}
	}
	return nil
}

// endMerge looks again under the lock. It cleans up after a merge that is done.
// A merge that another run finished is over; one that still runs is not. It
// waits for other runs until ctx ends.
func (c *Controller) endMerge(ctx context.Context, m *mergeRun) (over bool, err error) {
	if !c.e.Locked() { // otherwise it is part of a running plan
		if err := c.e.LockUntil(ctx); err != nil {
			return false, &Error{Op: "merge", Name: m.name.String(), Err: devices.Also(ErrIncomplete, "it is done, but the devices are not in order: %w", err)}
		}
		defer c.e.Unlock()
	}
	v, err := devices.Look(c.e)
	if err != nil {
		return false, err
	}
	d, o := m.find(v)
	switch {
	case o == nil && m.isOver(v):
		return true, nil
	case o == nil:
		return false, &Error{Op: "merge", Name: m.name.String(), Err: devices.Refuse("it is not being merged any more: another run, or another program, undid that")}
	}
	s, _, err := c.snapshotOf(v, d)
	if err != nil || !s.mergeDone() {
		return false, err
	}
	if err := c.e.RunLocked(context.WithoutCancel(ctx), c.planMergeEnd(v, d, o)); err != nil {
		return false, devices.Also(ErrIncomplete, "the merge is done, but the devices are not in order: %w", err)
	}
	return true, nil
}

// planMergeEnd plans to give the origin back its former table.
func (c *Controller) planMergeEnd(v devices.View, d, o *devices.Device) *Plan {
	p := &Plan{Title: fmt.Sprintf("put things in order after merging %s", d.Name)}
	base, _ := o.Base()
	others := len(v.SnapshotsOf(base)) > 0
	if layer := v.Real(o); layer != nil && !others {
		p.Add(loadOwn(o, layer))
		p.Finish(swapBack(o), plan.Remove{Device: d.Ref()}, plan.Remove{Device: layer.Ref()})
		return p
	}
	over := table.Single(o.Live.Size(), table.SnapshotOrigin{Device: base.String()})
	p.Add(plan.Load{Device: o.Ref(), Table: plan.Table{Known: over}, What: gate.OriginTarget})
	p.Finish(swapBack(o), plan.Remove{Device: d.Ref()})
	if o.Role() == devices.RoleOrigin && !others {
		c.dropOrigin(p, o)
	}
	return p
}
