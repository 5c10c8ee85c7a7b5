package dmctl

// Resetting clones to their base: each gets a new store.

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// ResetRequest asks to reset clones to the state of their base.
type ResetRequest struct{ Names []string }

// Reset resets clones to their base: PlanReset and Run. Clones in use stay as
// they are and are reported in a *PartErrors; the others are reset. It is safe
// for concurrent use.
func (c *Controller) Reset(ctx context.Context, r ResetRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanReset(ctx, r) })
}

// PlanReset plans new stores for clones. A store cannot be emptied in place:
// the kernel would hand its exceptions over to a second snapshot on the same
// COW device (drivers/md/dm-snap.c: __validate_exception_handover). So the new
// store is another file of the same size, which then replaces the old one.
func (c *Controller) PlanReset(ctx context.Context, r ResetRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	clones, err := c.clonesNamed(ctx, "reset", r.Names)
	if err != nil {
		return nil, err
	}
	users, err := c.usersOf(clones)
	if err != nil {
		return nil, &Error{Op: "reset", Name: clones[0].Name.String(), Err: err}
	}
	p = &Plan{Title: titleOf("reset", clones)}
	n := newNote()
	for _, k := range clones {
		part := &Plan{Title: "reset clone " + k.Name.String()}
		if err := c.resetPart(part, k, users[k.Dev], n); err != nil {
			part = &Plan{Title: part.Title}
			part.Add(refuseStep(&Error{Op: "reset", Name: k.Name.String(), Err: err}))
		}
		p.Part(k.Name.String(), part)
	}
	c.around(p, n)
	return p, nil
}

func (c *Controller) resetPart(p *Plan, k activeClone, users []host.User, n *note) error {
	old, ok := devices.ParseDev(k.args.COW)
	switch {
	case !ok:
		return devices.RefuseFor(ErrUnfinished, "it has no live snapshot table")
	case k.Suspended():
		return devices.RefuseFor(ErrSuspended, "it is suspended")
	case k.HasInactive():
		return devices.RefuseFor(ErrUnfinished, "a table waits to be put in place")
	case k.file == "":
		return devices.Because(ErrNoSpare, "its store is the device %s", c.e.NodePath(old))
	}
	// plan.Claim finds programs that have it open.
	if err := busyWith(users); err != nil {
		return err
	}
	d, err := c.e.OpenDev(old) // for its size
	if err != nil {
		return err
	}
	bytes := d.Bytes()
	if err := d.Close(); err != nil {
		return err
	}
	held, h := &plan.Handle{}, &plan.Handle{}
	p.Add(plan.Claim{Device: k.Ref(), To: held})
	var f noted
	switch {
	case k.store != "":
		f = n.add(k.store, true)
		p.Add(plan.NewStore{Path: f.Temp, Bytes: bytes, To: h})
	case k.args.Store.IsPersistent():
		return devices.Because(ErrNoSpare, "its store has been deleted")
	default:
		p.Add(plan.NewScratch{Dir: filepath.Dir(strings.TrimSuffix(k.file, host.Deleted)), Bytes: bytes, To: h})
	}
	p.Add(plan.Load{Device: k.Ref(), Table: plan.Table{Later: k.tableOn(h)},
		What: fmt.Sprintf("snapshot with chunks of %d bytes, on a new store", k.args.ChunkSize*cow.SectorSize)})
	if k.args.Store.IsPersistent() {
		p.Add(plan.FlushHandle{What: "the new store", Of: h})
	}
	p.Add(plan.Swap{Device: k.Ref(), Old: plan.Table{Known: k.Live}, Udev: plan.SnapshotUdev})
	p.Finish(plan.LetGo{What: "the loop device on the new store", Of: h},
		plan.LetGo{What: k.Name.String(), Of: held})
	if f.Temp != "" {
		p.Finish(plan.AwaitDetached{Dev: old, Path: k.store}, plan.NameFile{From: f.Temp, To: f.Final, Replace: true})
	}
	return nil
}

// tableOn returns the clone's table on a store that will be open by then.
func (k activeClone) tableOn(h *plan.Handle) func() table.Table {
	return func() table.Table {
		args := k.args
		args.COW = h.Disk.Dev().String()
		return table.Single(k.Live.Size(), table.Snapshot(args))
	}
}
