package dmctl

// The end of a merge: waiting for it, and putting the devices in order.
// Several runs may wait for the same merge; one of them ends it, and the
// others must tell that from a snapshot that vanished.

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// merging is a merge that this run has begun or has seen under way.
type merging struct {
	name     wire.Name
	snapshot wire.UUID
	origin   blockdev.DevNo // of the device that the snapshot is merged into
}

func mergeOf(d, o *device) *merging { return &merging{d.Name, d.UUID, o.Dev} }

// find gives the two devices of a merge that is under way, nil otherwise.
func (m *merging) find(v view) (d, o *device) {
	for _, d := range v {
		if d.UUID == m.snapshot {
			if o := v.mergingInto(d); o != nil {
				return d, o
			}
		}
	}
	return nil, nil
}

// isOver says whether a merge, seen before, was finished: its snapshot is
// gone, and its origin is no merge any more. The view must be one that was
// looked at under the lock.
func (m *merging) isOver(v view) bool {
	if m == nil {
		return false
	}
	for _, d := range v {
		if _, merging := d.mergeArgs(); d.UUID == m.snapshot || merging && d.Dev == m.origin {
			return false
		}
	}
	return true
}

// FinishMerge waits for the merge that a plan of PlanMerge began or joined, and
// then removes what was made for the snapshot. Its store is empty by then.
// Another run that waits, too, may do that.
func (c *Controller) FinishMerge(ctx context.Context, p *Plan, progress func(Snapshot)) error {
	m := p.merging
	if m == nil {
		return fmt.Errorf("%s: not a merge", p.Title)
	}
	for {
		v, err := c.look()
		if err != nil {
			return err
		}
		going := false
		if d, o := m.find(v); o != nil {
			s, _, err := c.snapshotOf(v, d)
			if err != nil && !isGone(err) {
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
			return &Error{"merge", m.name.String(), fmt.Errorf("%w (%w)", ErrStillMerging, ctx.Err())}
		}
		c.sleep(mergePause)
	}
}

// failure is what a merge's state says against it.
func (m *merging) failure(s Snapshot) error {
	switch s.State {
	case table.MergeFailed.String():
		return &Error{"merge", m.name.String(), ErrMergeFailed}
	case table.Invalid.String():
		return &Error{"merge", m.name.String(), ErrMergeInvalid}
	}
	return nil
}

// endMerge looks again, with everybody else of us waiting: a merge that is done
// is put in order, one that another run finished is over, and one that goes on
// after all is not over. It waits for others of us until ctx ends.
func (c *Controller) endMerge(ctx context.Context, m *merging) (over bool, err error) {
	if !c.locked { // else it is a part of a plan that runs
		if err := c.lockUntil(ctx); err != nil {
			return false, &Error{"merge", m.name.String(), fmt.Errorf("it is done, but the devices are not in order: `dmsnapctl merge` once more, or `recover`, does that: %w", errors.Join(err, ctx.Err()))}
		}
		defer c.unlock()
	}
	v, err := c.look()
	if err != nil {
		return false, err
	}
	d, o := m.find(v)
	switch {
	case o == nil && m.isOver(v):
		return true, nil
	case o == nil:
		return false, &Error{"merge", m.name.String(), refuse("it is not being merged any more: another run, or another program, undid that")}
	}
	s, _, err := c.snapshotOf(v, d)
	if err != nil || !s.mergeDone() {
		return false, err
	}
	if err := c.run(context.WithoutCancel(ctx), c.planMergeEnd(v, d, o)); err != nil {
		return false, fmt.Errorf("the merge is done, but the devices are not in order, run `dmsnapctl recover`: %w", err)
	}
	return true, nil
}

// planMergeEnd gives the origin back what it was before the snapshot.
func (c *Controller) planMergeEnd(v view, d, o *device) *Plan {
	p := &Plan{Title: fmt.Sprintf("put things in order after merging %s", d.Name)}
	base, _ := o.base()
	others := len(v.snapshotsOf(base)) > 0
	switch layer := v.real(o); {
	case layer != nil && !others:
		c.addLoad(p, o, layer.live, "its own")
		c.finishSwap(p, o)
		c.finishRemove(p, d)
		c.finishRemove(p, layer)
	default:
		c.addLoad(p, o, table.Single(o.live.Size(), table.SnapshotOrigin{Device: base.String()}), "snapshot-origin")
		c.finishSwap(p, o)
		c.finishRemove(p, d)
		if o.role() == roleOrigin && !others {
			c.planDropOrigin(p, o)
		}
	}
	return p
}

func (c *Controller) finishRemove(p *Plan, d *device) {
	p.finish(fmt.Sprintf("remove device %s", d.Name), func() error { return c.remove(d.Name) })
}
