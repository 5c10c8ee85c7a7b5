package dmctl

// Removing a snapshot. Its store stays as it is.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// RemoveRequest asks for a snapshot to be deactivated.
type RemoveRequest struct {
	Name  string
	Force bool // also a snapshot made by another program
}

// Remove deactivates a snapshot: PlanRemove and Run.
func (c *Controller) Remove(ctx context.Context, r RemoveRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanRemove(ctx, r) })
}

// PlanRemove plans the removal of a snapshot and, if it is the last one, of the
// devices made for its origin.
func (c *Controller) PlanRemove(ctx context.Context, r RemoveRequest) (*Plan, error) {
	name, err := devices.KnownName(r.Name)
	if err != nil {
		return nil, err
	}
	v, err := c.lookLocked(ctx)
	if err != nil {
		return nil, err
	}
	d := v.ByName(name)
	if err := removable(v, d, r.Force); err != nil {
		return nil, &Error{Op: "remove", Name: name.String(), Err: err}
	}
	if err := c.checkUnused(d); err != nil {
		return nil, &Error{Op: "remove", Name: name.String(), Err: err}
	}
	p := &Plan{Title: fmt.Sprintf("remove snapshot %s", name)}
	args, ok := d.SnapshotArgs()
	if !ok { // one without a live table, left by a killed run
		addRemove(p, d)
		return p, nil
	}
	base, _ := devices.ParseDev(args.Origin)
	origin, layer := v.OriginOver(base), v.ByDev(base)
	last := len(v.SnapshotsOf(base)) == 1
	switch {
	case last && origin != nil && origin.Role() == devices.RoleOrigin:
		addRemove(p, d)
		c.dropOrigin(p, origin)
	case last && origin != nil && v.Real(origin) != nil:
		p.Add(loadOwn(origin, layer))
		addRemove(p, d)
		p.Finish(swapBack(origin), plan.Remove{Device: layer.Ref()})
	default:
		addRemove(p, d)
		if last && origin == nil && layer != nil && layer.Role() == devices.RoleReal {
			p.Finish(plan.Remove{Device: layer.Ref()}) // somebody has given the origin another table
		}
	}
	return p, nil
}

// removable reports whether a device is a snapshot that may be removed.
func removable(v devices.View, d *devices.Device, force bool) error {
	if d == nil {
		return ErrNotFound
	}
	if o := v.MergingInto(d); o != nil {
		return devices.RefuseFor(ErrMerging, "it is being merged into %s", o.Name)
	}
	if _, ok := d.SnapshotArgs(); !ok && !d.IsOurSnapshot() {
		return devices.ErrNoSnapshot
	}
	owner := devices.OwnerOf(d.UUID)
	switch owner {
	case devices.OwnerOurs:
		return nil
	case "":
		owner = "somebody else"
	}
	return devices.UnlessForced(force, "it was made by %s", owner)
}

// checkUnused refuses a device that somebody has open, and says who.
func (c *Controller) checkUnused(d *devices.Device) error {
	users, err := c.e.Users(d.Dev)
	if err != nil {
		return err
	}
	return busyWith(users)
}

// busyWith refuses a device that has users, and names them.
func busyWith(users []host.User) error {
	if len(users) == 0 {
		return nil
	}
	return devices.Busy("it is %s", host.InWords(users))
}

// addRemove appends the step after which there is no way back: later writes to
// the origin are not preserved.
func addRemove(p *Plan, d *devices.Device) {
	p.Add(plan.Drop{Device: d.Ref()})
	p.Finish(plan.NoNode{Name: d.Name})
}
