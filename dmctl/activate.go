package dmctl

// Activating an existing store.

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// ActivateRequest asks for a snapshot from an existing persistent store. The
// chunk size is read from the store.
type ActivateRequest struct {
	Name, Origin, COW string
	Overflow          bool // as in CreateRequest
	// Repair first repairs the store, as verify/mend does, if it needs a repair
	// and can be repaired.
	Repair bool
	// Force activates a store that is damaged, invalid or has stale records,
	// and overrides the checks that return ErrForce.
	Force bool
}

// Activate makes a snapshot from an existing store: PlanActivate and Run.
func (c *Controller) Activate(ctx context.Context, r ActivateRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanActivate(ctx, r) })
}

// PlanActivate verifies the store, as it will be after the requested repair,
// and plans its activation. Apart from that repair, only the kernel writes to
// the store.
func (c *Controller) PlanActivate(ctx context.Context, r ActivateRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	j, err := c.open(ctx, place{r.Name, r.Origin, r.COW, r.Force, nil})
	if err != nil {
		return nil, err
	}
	report, err := judge(ctx, j.cow, j.origin.Bytes())
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", r.COW, err)
	}
	var first []plan.Step
	if r.Repair && report.Verdict != verify.Empty {
		if first, report, err = planRepair(ctx, j.cow, j.origin.Bytes()); err != nil {
			return nil, err
		}
	}
	notes, err := judgeStore(report, r)
	if err != nil {
		return nil, err
	}
	if err := c.fit(j, features{chunk: cow.Sectors(report.Header.ChunkSectors), overflow: r.Overflow}); err != nil {
		return nil, err
	}
	j.notes = append(j.notes, notes...)
	j.notes = append(j.notes, fmt.Sprintf("what was written to %s while the store was inactive was not copied: the snapshot shows it", j.origin.Path()))
	p = &Plan{Title: fmt.Sprintf("activate snapshot %s of %s from %s", j.name, j.origin.Path(), j.cow.Path())}
	p.Add(first...)
	return p, j.addSnapshot(p, devices.RoleActivated)
}

// judge verifies the store on a claimed COW device. The page cache may be out
// of date: the kernel writes past it while a store is active.
func judge(ctx context.Context, d host.Disk, originBytes int64) (*verify.Report, error) {
	content, err := d.Content()
	if err != nil {
		return nil, err
	}
	report, err := verify.Verify(ctx, content, content.Size(), verify.Options{OriginBytes: originBytes})
	return report, errors.Join(err, content.Close())
}

// judgeStore reports whether a store can be activated, and what the user should
// know about it.
func judgeStore(r *verify.Report, req ActivateRequest) (notes []string, err error) {
	damaged := ""
	if r.Counts[verify.HeaderLost] > 0 { // the kernel would make a new store, even if forced
		return nil, devices.RefuseFor(verify.ErrHeaderLost, "%s: %v", req.COW, r.Err())
	}
	switch r.Verdict {
	case verify.Clean, verify.Stale:
	case verify.Leaked:
		notes = append(notes, fmt.Sprintf("%s of the store leaked, %s: the kernel will not use them again", count.Of(r.Leaks.Chunks, "chunk"), count.Of(r.Leaks.Bytes, "byte")))
	case verify.Empty:
		return nil, devices.RefuseFor(ErrNoStore, "%s holds no store yet", req.COW)
	case verify.Unrecognized:
		return nil, devices.Refuse("%s holds no COW store that the kernel would take", req.COW)
	case verify.Invalid:
		damaged = "the store was invalidated by the kernel, so that nothing can be read from the snapshot"
	default:
		damaged = ErrDamaged.Error()
	}
	why := ErrDamaged
	if r.Counts[verify.UnreadableArea] > 0 {
		damaged, why = ErrUnread.Error(), ErrUnread // what cannot be read may be whole
	}
	if stale := r.Counts[verify.StaleRecord]; damaged == "" && stale > 0 {
		// docs/crash-findings.md: what the kernel does with them.
		damaged, why = "there are records after the end of the store's list, and the kernel takes them for its own when the list grows up to them", ErrStale
	}
	if damaged == "" {
		return notes, nil
	}
	if len(r.Findings) > 0 {
		damaged += ": " + r.Findings[0].Message
	}
	notes = append(notes, "activated by force although "+damaged)
	if req.Force {
		return notes, nil
	}
	return notes, &devices.Reason{Says: fmt.Sprintf("%s: %s", req.COW, damaged), Wraps: []error{ErrForce, why}}
}
