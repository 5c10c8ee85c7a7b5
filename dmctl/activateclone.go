package dmctl

// Activating a clone from an existing store, for example after a reboot.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// ActivateCloneRequest asks for a clone from an existing persistent store. The
// chunk size is read from the store.
type ActivateCloneRequest struct {
	Name, Base string
	Store      string // path of a file or of a block device
	// Overflow keeps the store valid when a write finds no room (PO), if the
	// kernel supports that.
	Overflow bool
	// Force activates a store that is damaged or invalid, and overrides the
	// checks that return ErrForce.
	Force bool
}

// ActivateClone makes a clone from an existing store: PlanActivateClone and
// Run. It is safe for concurrent use.
func (c *Controller) ActivateClone(ctx context.Context, r ActivateCloneRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanActivateClone(ctx, r) })
}

// PlanActivateClone verifies a store, as it will be after the repair of any
// crash damage, and plans its activation.
func (c *Controller) PlanActivateClone(ctx context.Context, r ActivateCloneRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	name, err := devices.SnapshotName(r.Name)
	if err != nil {
		return nil, err
	}
	k, err := c.openCloning(ctx, r.Base, r.Force)
	if err != nil {
		return nil, err
	}
	if err := c.checkNew(name); err != nil {
		return nil, err
	}
	store, err := c.e.OpenStore(r.Store)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	report, err := judge(ctx, store, k.base.Bytes())
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", r.Store, err)
	}
	if report.Verdict == verify.Empty || report.Verdict == verify.Unrecognized || report.Counts[verify.HeaderLost] > 0 {
		_, err := judgeStore(report, ActivateRequest{COW: r.Store})
		return nil, err
	}
	if err := c.cloneArgs(k, features{chunk: cow.Sectors(report.Header.ChunkSectors), overflow: r.Overflow}); err != nil {
		return nil, err
	}
	if _, err := c.jobOn(k, store); err != nil {
		return nil, err
	}
	first, report, err := planRepair(ctx, store, k.base.Bytes())
	if err != nil {
		return nil, err
	}
	notes, err := judgeStore(report, ActivateRequest{COW: r.Store, Force: r.Force})
	if err != nil {
		return nil, err
	}
	k.notes = append(k.notes, notes...)
	if len(first) > 0 {
		k.notes = append(k.notes, fmt.Sprintf("the store %s is repaired first, as for every clone that is activated", r.Store))
	}
	p = &Plan{Title: fmt.Sprintf("activate clone %s of %s from %s", name, r.Base, r.Store)}
	p.Add(first...)
	if err := k.addOn(p, name, store); err != nil {
		return nil, err
	}
	k.addNotes(p)
	return p, nil
}
