package dmctl

// Merging a snapshot back into its origin: what the origin was when the
// snapshot was made becomes what it is.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// MergeRequest asks for a snapshot to be merged into its origin.
type MergeRequest struct {
	Name string
	// OriginUnchanged says that nobody wrote to the origin while the store was
	// inactive; wanted for a snapshot that was activated, not created, since
	// boot.
	OriginUnchanged bool
	// Force merges into an origin that is mounted, below the feet of the file
	// system.
	Force bool
}

// Errors of a merge that had begun.
var (
	ErrMergeFailed   = errors.New("the kernel stopped the merge at an I/O error (see dmesg); `dmsnapctl merge` goes on with it")
	ErrMergeInvalid  = errors.New("the store became invalid during the merge: the origin holds a part of the snapshot")
	ErrStillMerging  = errors.New("the merge goes on in the kernel; `dmsnapctl merge` waits for it and finishes it")
	errNotPersistent = errors.New("it is transient: only a persistent store can be merged")
)

// mergePause is how often a merge is looked at; the kernel tells of none of
// its progress.
const mergePause = 200 * time.Millisecond

// Merge starts a merge, or joins one, waits until it is done and puts the
// devices in order. progress, if not nil, is called at each look. If ctx ends,
// the merge goes on in the kernel and the error wraps ErrStillMerging.
func (c *Controller) Merge(ctx context.Context, r MergeRequest, progress func(Snapshot)) error {
	p, err := c.PlanMerge(ctx, r)
	if err != nil {
		return err
	}
	if err := c.Run(ctx, p); err != nil {
		return err
	}
	return c.FinishMerge(ctx, r.Name, progress)
}

// PlanMerge plans the start of a merge. For one that is under way the plan has
// no steps; for one that has failed it starts it anew.
func (c *Controller) PlanMerge(_ context.Context, r MergeRequest) (*Plan, error) {
	name, err := typedName(r.Name)
	if err != nil {
		return nil, err
	}
	v, err := c.lookLocked()
	if err != nil {
		return nil, err
	}
	d := v.byName(name)
	switch {
	case d == nil:
		return nil, &Error{"merge", r.Name, ErrNotFound}
	case !d.isOurSnapshot():
		return nil, &Error{"merge", r.Name, errNotOurs}
	}
	p := &Plan{Title: fmt.Sprintf("merge snapshot %s into its origin", name)}
	if o := v.mergingInto(d); o != nil {
		return p, c.planJoin(p, d, o)
	}
	m, err := c.mergeable(v, d, r)
	if err != nil {
		return nil, &Error{"merge", r.Name, err}
	}
	c.planMergeStart(p, d, m)
	return p, nil
}

// merge is a snapshot that can be merged, and where to.
type merge struct {
	origin *device
	args   table.SnapshotArgs
}

// mergeable checks what can be checked before anything is touched.
func (c *Controller) mergeable(v view, d *device, r MergeRequest) (merge, error) {
	args, ok := d.snapshotArgs()
	base, okBase := parseDev(args.Origin)
	if !ok || !okBase {
		return merge{}, refuse("it has no live snapshot table: run `dmsnapctl recover`")
	}
	m := merge{origin: v.originOver(base), args: table.SnapshotArgs(args)}
	switch {
	case !args.Store.IsPersistent():
		return m, fmt.Errorf("%w: %w", errNotPersistent, ErrRefused)
	case m.origin == nil:
		return m, refuse("its origin has no active snapshot-origin device")
	case d.Suspended():
		return m, refuse("it is suspended: resume it first")
	case d.role() == roleActivated && !r.OriginUnchanged:
		return m, refuse("it was activated from an existing store: what was written to the origin while the store was inactive would be mixed with it; if nothing was, say --origin-unchanged")
	}
	if _, merging := m.origin.mergeArgs(); merging {
		return m, refuse("another snapshot is being merged into %s", m.origin.Name)
	}
	if err := checkIdle(m.origin, true); err != nil {
		return m, err
	}
	var s Snapshot
	if err := c.fillStatus(&s, d.Name); err != nil {
		return m, err
	}
	if s.State != table.Active.String() && s.State != table.Overflow.String() {
		return m, refuse("its state is %s", s.State)
	}
	if err := c.checkNotMounted(m.origin, r.Force); err != nil {
		return m, err
	}
	users, err := c.h.Users(d.Dev)
	if err != nil {
		return m, err
	}
	if len(users) > 0 || d.OpenCount > 0 {
		return m, busy("the snapshot is %s: while it is merged it cannot be read; end that first", inWords(append(users, openUser(d)...)))
	}
	return m, nil
}

// checkNotMounted refuses to turn the clock back below a mounted file system,
// which would go on with what it remembers.
func (c *Controller) checkNotMounted(o *device, force bool) error {
	users, err := c.h.Users(o.Dev)
	if err != nil || len(users) == 0 {
		return err
	}
	return unlessForced(force, "%s is %s: merging takes it back to an earlier state, unmount it first (it can be mounted again as soon as the merge has begun)", o.Name, inWords(users))
}

func openUser(d *device) []user {
	if d.OpenCount == 0 {
		return nil
	}
	return []user{{What: fmt.Sprintf("open %d times", d.OpenCount)}}
}

// planMergeStart turns the origin's device into a snapshot-merge. The kernel
// hands the store over from the snapshot's table to it, and wants the snapshot
// suspended meanwhile (drivers/md/dm-snap.c: snapshot_preresume); nobody has
// that open. Merging begins with the origin's resume, from which there is no
// way back.
func (c *Controller) planMergeStart(p *Plan, d *device, m merge) {
	o := m.origin
	c.addLoad(p, o, table.Single(o.live.Size(), table.SnapshotMerge(m.args)), "snapshot-merge")
	p.add(fmt.Sprintf("load table of %s: error", d.Name),
		func() error { return c.load(d.Name, table.Single(d.live.Size(), table.Error{})) },
		func() error { return c.clear(d.Name) })
	p.beginPause()
	p.add(fmt.Sprintf("suspend %s", d.Name),
		func() error { return c.suspend(d.Name, wire.FlagSkipLockFS) },
		func() error { return c.resumeUnmerged(d, o) })
	p.add(fmt.Sprintf("suspend %s, swap its tables and resume it, in one call: the merge begins", o.Name),
		func() error { return c.swap(o.Name, o.live, wire.UdevPrimary) }, nil)
	p.finish(fmt.Sprintf("resume %s, whose I/O fails from now on", d.Name),
		func() error { return c.resumeAsError(d) })
	p.endPause()
	p.finish(fmt.Sprintf("drop what the page cache has of %s from before", o.Name),
		func() error { return c.dropCache(o.Name, o.Dev) })
}

// resumeUnmerged lets a snapshot go on that was about to be merged. Before
// that, the merge's table must be gone, to which the kernel would have the
// store handed over first (drivers/md/dm-snap.c: snapshot_preresume), and the
// snapshot's own next table, which the resume would put in place.
func (c *Controller) resumeUnmerged(d, o *device) error {
	return errors.Join(c.clear(o.Name), c.clear(d.Name), c.resume(d.Name, wire.UdevPrimary))
}

// resumeAsError resumes a snapshot that is being merged with the error table
// that waits. If that fails it is tried once more from the start: it must not
// stay suspended, and its old table must not come back.
func (c *Controller) resumeAsError(d *device) error {
	cause := c.resume(d.Name, wire.UdevHidden)
	if cause == nil {
		return nil
	}
	if err := c.load(d.Name, table.Single(d.live.Size(), table.Error{})); err != nil {
		return errors.Join(cause, err)
	}
	return c.resume(d.Name, wire.UdevHidden)
}

// FinishMerge waits for a merge that is under way and then removes what was
// made for the snapshot. Its store is empty by then.
func (c *Controller) FinishMerge(ctx context.Context, name string, progress func(Snapshot)) error {
	for {
		s, err := c.mergeState(name)
		if err != nil {
			return err
		}
		if progress != nil {
			progress(s)
		}
		switch {
		case s.State == table.MergeFailed.String():
			return &Error{"merge", name, ErrMergeFailed}
		case s.State == table.Invalid.String():
			return &Error{"merge", name, ErrMergeInvalid}
		case s.mergeDone():
			p, err := c.planMergeEnd(name)
			if err == nil {
				err = c.Run(context.WithoutCancel(ctx), p)
			}
			if err != nil {
				return fmt.Errorf("the merge is done, but the devices are not in order, run `dmsnapctl recover`: %w", err)
			}
			return nil
		}
		if ctx.Err() != nil {
			return &Error{"merge", name, fmt.Errorf("%w (%w)", ErrStillMerging, ctx.Err())}
		}
		c.sleep(mergePause)
	}
}

// mergeState is the snapshot as the device says it that it is merged into.
func (c *Controller) mergeState(name string) (Snapshot, error) {
	v, d, _, err := c.findMerge(name)
	if err != nil {
		return Snapshot{}, err
	}
	s, _, err := c.snapshotOf(v, d)
	return s, err
}

func (c *Controller) findMerge(name string) (view, *device, *device, error) {
	n, err := typedName(name)
	if err != nil {
		return nil, nil, nil, err
	}
	v, err := c.look()
	if err != nil {
		return nil, nil, nil, err
	}
	if d := v.byName(n); d != nil {
		if o := v.mergingInto(d); o != nil {
			return v, d, o, nil
		}
	}
	return nil, nil, nil, &Error{"find the merge of", name, ErrNotFound}
}

// planMergeEnd gives the origin back what it was before the snapshot.
func (c *Controller) planMergeEnd(name string) (*Plan, error) {
	if err := c.lock(); err != nil {
		return nil, err
	}
	v, d, o, err := c.findMerge(name)
	if err != nil {
		return nil, err
	}
	p := &Plan{Title: fmt.Sprintf("put things in order after merging %s", name)}
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
	return p, nil
}

func (c *Controller) finishRemove(p *Plan, d *device) {
	p.finish(fmt.Sprintf("remove device %s", d.Name), func() error { return c.remove(d.Name) })
}
