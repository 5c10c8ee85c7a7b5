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
	return c.FinishMerge(ctx, p, progress)
}

// PlanMerge plans the start of a merge. For one that is under way the plan has
// no steps; for one that has failed it starts it anew. Another run may finish
// a merge that is under way while this one waits for its turn to plan: that is
// a merge that is done, not a snapshot that there never was.
func (c *Controller) PlanMerge(_ context.Context, r MergeRequest) (*Plan, error) {
	name, err := typedName(r.Name)
	if err != nil {
		return nil, err
	}
	v, err := c.look()
	if err != nil {
		return nil, err
	}
	p := &Plan{Title: fmt.Sprintf("merge snapshot %s into its origin", name)}
	if d := v.byName(name); d != nil && v.mergingInto(d) != nil {
		p.merging = mergeOf(d, v.mergingInto(d))
	}
	if v, err = c.lookLocked(); err != nil {
		return nil, err
	}
	d := v.byName(name)
	switch {
	case p.merging.isOver(v): // whatever has its name now
		p.note("another run finished it meanwhile")
		return p, nil
	case d == nil:
		return nil, &Error{"merge", r.Name, ErrNotFound}
	case !d.isOurSnapshot():
		return nil, &Error{"merge", r.Name, errNotOurs}
	}
	if o := v.mergingInto(d); o != nil {
		p.merging = mergeOf(d, o)
		return p, c.planJoin(p, d, o)
	}
	m, err := c.mergeable(v, d, r)
	if err != nil {
		return nil, &Error{"merge", r.Name, err}
	}
	p.merging = mergeOf(d, m.origin)
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
