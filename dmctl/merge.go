package dmctl

// Merging a snapshot back into its origin: the origin becomes what it was when
// the snapshot was made.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// MergeRequest asks for a snapshot to be merged into its origin.
type MergeRequest struct {
	Name string
	// OriginUnchanged asserts that nobody wrote to the origin while the store
	// was inactive. It is required for a snapshot that was activated, not
	// created, since boot.
	OriginUnchanged bool
	// Force merges into a mounted origin, underneath its file system.
	Force bool
}

// Merge starts a merge, or joins one, waits until it is done and cleans up its
// devices. progress, if not nil, is called at each look. If ctx ends, the merge
// continues in the kernel and the error wraps ErrStillMerging.
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

// PlanMerge plans the start of a merge. If one is under way, the plan has no
// steps; if one has failed, the plan starts it again. If another run finishes
// the merge while this one waits for its turn to plan, the merge counts as
// done: the error is not that the snapshot never existed.
func (c *Controller) PlanMerge(ctx context.Context, r MergeRequest) (*Plan, error) {
	name, err := devices.KnownName(r.Name)
	if err != nil {
		return nil, err
	}
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	p := &Plan{Title: fmt.Sprintf("merge snapshot %s into its origin", name)}
	var seen *mergeRun
	if d := v.ByName(name); d != nil && v.MergingInto(d) != nil {
		seen = mergeOf(d, v.MergingInto(d))
		p.Of = seen
	}
	if v, err = c.lookLocked(ctx); err != nil {
		return nil, err
	}
	d := v.ByName(name)
	switch {
	case seen.isOver(v): // regardless of what has its name now
		p.Note("another run finished it meanwhile")
		return p, nil
	case d == nil:
		return nil, &Error{Op: "merge", Name: r.Name, Err: ErrNotFound}
	case d.IsClone():
		return nil, &Error{Op: "merge", Name: r.Name, Err: devices.Refuse("it is a clone: its base is never written")}
	case !d.IsOurSnapshot():
		return nil, &Error{Op: "merge", Name: r.Name, Err: devices.ErrNotOurs}
	}
	if o := v.MergingInto(d); o != nil {
		p.Of = mergeOf(d, o)
		err = c.planJoin(p, d, o)
	} else {
		err = c.planMergeStart(p, v, d, r.OriginUnchanged, r.Force)
	}
	if err != nil {
		return nil, &Error{Op: "merge", Name: r.Name, Err: err}
	}
	return p, nil
}
