package dmctl

// Activating a store that exists.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// ActivateRequest asks for a snapshot of an existing persistent store. Its
// chunk size stands in the store.
type ActivateRequest struct {
	Name, Origin, COW string
	Overflow          bool // as in CreateRequest
	// Force activates a store that is damaged or invalid, and lets pass what
	// else is refused with ErrForce.
	Force bool
}

// Activate makes a snapshot of an existing store: PlanActivate and Run.
func (c *Controller) Activate(ctx context.Context, r ActivateRequest) error {
	p, err := c.PlanActivate(ctx, r)
	if err != nil {
		return err
	}
	return c.Run(ctx, p)
}

// PlanActivate verifies the store and plans its activation. Nothing is
// written to it that the kernel does not write.
func (c *Controller) PlanActivate(ctx context.Context, r ActivateRequest) (*Plan, error) {
	if _, err := newName(r.Name); err != nil {
		return nil, err
	}
	origin, err := c.h.Disk(r.Origin)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	report, err := c.h.Judge(ctx, r.COW, uint64(origin.Bytes))
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", r.COW, err)
	}
	notes, err := judgeStore(report, r)
	if err != nil {
		return nil, err
	}
	j, err := c.prepare(CreateRequest{
		Name: r.Name, Origin: r.Origin, COW: r.COW, Overflow: r.Overflow, Force: r.Force,
		ChunkSize: cow.Sectors(report.Header.ChunkSectors),
	})
	if err != nil {
		return nil, err
	}
	j.role = roleActivated
	p := &Plan{
		Title: fmt.Sprintf("activate snapshot %s of %s from %s", j.name, j.origin.Path, j.cow.Path),
		Notes: append(j.notes, notes...),
	}
	p.note("what was written to %s while the store was inactive was not copied: the snapshot shows it", j.origin.Path)
	return p, c.planSnapshot(p, j)
}

// judgeStore says whether a store can be activated, and what is to be known
// of it.
func judgeStore(r *verify.Report, req ActivateRequest) (notes []string, err error) {
	damaged := ""
	switch r.Verdict {
	case verify.Clean, verify.Stale:
	case verify.Leaked:
		notes = append(notes, fmt.Sprintf("%d chunks of the store are leaked: %d bytes that the kernel will not use again", r.Leaks.Chunks, r.Leaks.Bytes))
	case verify.Empty:
		return nil, refuse("%s holds no store yet: `dmsnapctl create` makes one", req.COW)
	case verify.Unrecognized:
		return nil, refuse("%s holds no COW store that the kernel would take", req.COW)
	case verify.Invalid:
		damaged = "the store was invalidated by the kernel"
	default:
		damaged = "the store is damaged"
	}
	if r.Counts[verify.UnreadableArea] > 0 {
		damaged = "the store cannot be read whole"
	}
	if damaged == "" {
		return notes, nil
	}
	if len(r.Findings) > 0 {
		damaged += ": " + r.Findings[0].Message
	}
	notes = append(notes, "activated by force although "+damaged)
	return notes, unlessForced(req.Force, "%s: %s (see `dmsnapctl verify %s`)", req.COW, damaged, req.COW)
}
