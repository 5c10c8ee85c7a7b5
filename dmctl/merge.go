package dmctl

// Merging a snapshot back into its origin: what the origin was when the
// snapshot was made becomes what it is.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
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
	if v, err = c.lookLocked(); err != nil {
		return nil, err
	}
	d := v.ByName(name)
	switch {
	case seen.isOver(v): // whatever has its name now
		p.Note("another run finished it meanwhile")
		return p, nil
	case d == nil:
		return nil, &Error{Op: "merge", Name: r.Name, Err: ErrNotFound}
	case d.IsClone():
		return nil, &Error{Op: "merge", Name: r.Name, Err: devices.Refuse("it is a clone: nothing is written to its base")}
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
