package dmctl

// Removing a snapshot. Its store stays as it is.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// RemoveRequest asks for a snapshot to be deactivated.
type RemoveRequest struct {
	Name  string
	Force bool // also a snapshot that dmsnapctl did not make
}

// Remove deactivates a snapshot: PlanRemove and Run.
func (c *Controller) Remove(ctx context.Context, r RemoveRequest) error {
	p, err := c.PlanRemove(ctx, r)
	if err != nil {
		return err
	}
	return c.Run(ctx, p)
}

// PlanRemove plans the removal of a snapshot, and of the devices that were
// made for its origin if it is the last one.
func (c *Controller) PlanRemove(_ context.Context, r RemoveRequest) (*Plan, error) {
	name, err := typedName(r.Name)
	if err != nil {
		return nil, err
	}
	v, err := c.lookLocked()
	if err != nil {
		return nil, err
	}
	d, err := v.snapshotToRemove(name, r.Force)
	if err != nil {
		return nil, err
	}
	if err := c.checkUnused(d); err != nil {
		return nil, err
	}
	p := &Plan{Title: fmt.Sprintf("remove snapshot %s", name)}
	args, ok := d.snapshotArgs()
	if !ok { // one without a live table, left by a run that was killed
		c.addRemove(p, d.Name)
		return p, nil
	}
	base, _ := parseDev(args.Origin)
	origin := v.originOver(base)
	last := len(v.snapshotsOf(base)) == 1
	switch {
	case last && origin != nil && origin.role() == roleOrigin:
		c.addRemove(p, d.Name)
		c.planDropOrigin(p, origin)
	case last && origin != nil && v.real(origin) != nil:
		c.planRestore(p, d, origin, v.real(origin))
	default:
		c.addRemove(p, d.Name)
		if layer := v.byDev(base); last && origin == nil && layer != nil && layer.role() == roleReal {
			c.finishRemove(p, layer) // somebody gave the origin another table meanwhile
		}
	}
	return p, nil
}

// snapshotToRemove is the device of a name, if it is a snapshot, and ours.
func (v view) snapshotToRemove(name wire.Name, force bool) (*device, error) {
	d := v.byName(name)
	if d == nil {
		return nil, &Error{"remove", name.String(), ErrNotFound}
	}
	if o := v.mergingInto(d); o != nil {
		return nil, &Error{"remove", name.String(), refuse("it is being merged into %s: `dmsnapctl merge %s` waits for that", o.Name, name)}
	}
	if _, ok := d.snapshotArgs(); !ok && !d.isOurSnapshot() {
		return nil, &Error{"remove", name.String(), errNoSnapshot}
	}
	if owner := ownerOf(d.UUID); owner != ownerOurs {
		if owner == "" {
			owner = "somebody else"
		}
		if err := unlessForced(force, "it was made by %s", owner); err != nil {
			return nil, &Error{"remove", name.String(), err}
		}
	}
	return d, nil
}

// checkUnused refuses a device that somebody has open, and says who.
func (c *Controller) checkUnused(d *device) error {
	users, err := c.h.Users(d.Dev)
	if err != nil {
		return &Error{"remove", d.Name.String(), err}
	}
	if len(users) > 0 {
		return &Error{"remove", d.Name.String(), busy("it is %s: end that first", inWords(users))}
	}
	return nil
}

// addRemove appends the step from which there is no way back: what is written
// to the origin from now on is not kept.
func (c *Controller) addRemove(p *Plan, name wire.Name) {
	p.add(fmt.Sprintf("remove device %s", name), func() error { return c.drop(name) }, nil)
	p.finish(fmt.Sprintf("see that /dev/mapper/%s is gone", name), func() error { return c.removeNode(name) })
}

// planDropOrigin removes NAME-origin when nobody uses it any more. One that is
// in use passes its I/O on, and the next snapshot of the device uses it again.
func (c *Controller) planDropOrigin(p *Plan, origin *device) {
	users, err := c.h.Users(origin.Dev)
	if err != nil || len(users) > 0 || origin.OpenCount > 0 {
		p.note("%s is in use and stays: it passes its I/O on, the next snapshot of the device uses it again, and `dmsnapctl recover` removes it when it is idle", origin.Name)
		return
	}
	p.finish(fmt.Sprintf("remove device %s", origin.Name), func() error { return c.remove(origin.Name) })
}

// planRestore gives the origin its own table back, which the layer below it
// has kept.
func (c *Controller) planRestore(p *Plan, snap, origin, layer *device) {
	c.addLoad(p, origin, layer.live, "its own")
	if snap != nil {
		c.addRemove(p, snap.Name)
	}
	c.finishSwap(p, origin)
	p.finish(fmt.Sprintf("remove device %s", layer.Name),
		func() error { return c.remove(layer.Name) })
}

// addLoad appends the loading of a table that finishSwap puts in place.
func (c *Controller) addLoad(p *Plan, d *device, t table.Table, what string) {
	p.add(fmt.Sprintf("load table of %s: %s", d.Name, what),
		func() error { return c.load(d.Name, t) },
		func() error { return c.clear(d.Name) })
}

// finishSwap appends the swap behind the point of no return. A device that
// keeps its old table works on as before.
func (c *Controller) finishSwap(p *Plan, d *device) {
	p.finish(fmt.Sprintf("suspend %s, swap its tables and resume it, in one call", d.Name),
		func() error { return c.swap(d.Name, d.live, wire.UdevPrimary) })
}
