package dmctl

// Removing clones, with or without their stores.

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// RemoveClonesRequest asks for clones to be removed.
type RemoveClonesRequest struct {
	Names []string
	// DeleteStores deletes the clones' store files after their loop devices are
	// gone. Without it the files stay.
	DeleteStores bool
}

// RemoveClones removes clones: PlanRemoveClones and Run. Clones in use stay and
// are reported in a *PartErrors; the others are removed. It is safe for
// concurrent use.
func (c *Controller) RemoveClones(ctx context.Context, r RemoveClonesRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanRemoveClones(ctx, r) })
}

// PlanRemoveClones plans the removal of clones.
func (c *Controller) PlanRemoveClones(ctx context.Context, r RemoveClonesRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	clones, err := c.clonesNamed(ctx, "remove", r.Names)
	if err != nil {
		return nil, err
	}
	users, err := c.usersOf(clones)
	if err != nil {
		return nil, &Error{Op: "remove", Name: clones[0].Name.String(), Err: err}
	}
	p = &Plan{Title: titleOf("remove", clones)}
	n := newNote()
	for _, k := range clones {
		part := &Plan{Title: "remove clone " + k.Name.String()}
		if err := busyWith(users[k.Dev]); err != nil {
			part.Add(refuseStep(&Error{Op: "remove", Name: k.Name.String(), Err: err}))
			p.Part(k.Name.String(), part)
			continue
		}
		addRemove(part, k.Device)
		if r.DeleteStores {
			if err := c.deleteStore(part, k, n); err != nil {
				return nil, &Error{Op: "remove", Name: k.Name.String(), Err: err}
			}
		}
		p.Part(k.Name.String(), part)
	}
	c.around(p, n)
	return p, nil
}

// refuseStep makes one part of a plan fail, so that the other parts can still
// run.
func refuseStep(why error) plan.Step {
	return plan.Do{What: "refuse: " + why.Error(), Run: func() error { return why }}
}

// activeClone is an existing clone.
type activeClone struct {
	*devices.Device
	args  table.SnapshotArgs
	file  string // what the kernel says of its loop device's file; "" for a device
	store string // the path of the file; "" for a device or an unnamed file
}

// usersOf returns who uses the clones, by their numbers.
func (c *Controller) usersOf(clones []activeClone) (map[blockdev.DevNo][]host.User, error) {
	devs := make([]blockdev.DevNo, len(clones))
	for i, k := range clones {
		devs[i] = k.Dev
	}
	return c.e.UsersOf(devs)
}

// clonesNamed finds clones under the lock and rejects duplicates.
func (c *Controller) clonesNamed(ctx context.Context, op string, names []string) ([]activeClone, error) {
	if len(names) == 0 {
		return nil, devices.Malformed("no clone named")
	}
	if err := c.e.Lock(ctx); err != nil {
		return nil, err
	}
	seen := map[devices.Name]bool{}
	var out []activeClone
	for _, s := range names {
		n, err := devices.KnownName(s)
		if err != nil {
			return nil, err
		}
		if seen[n] {
			return nil, devices.Malformed("%s is named twice", n)
		}
		seen[n] = true
		k, err := c.cloneNamed(n)
		if err != nil {
			return nil, &Error{Op: op, Name: n.String(), Err: err}
		}
		out = append(out, k)
	}
	return out, nil
}

// cloneNamed looks at one device only: there may be thousands.
func (c *Controller) cloneNamed(n devices.Name) (activeClone, error) {
	d, err := devices.LookAt(c.e, n)
	switch {
	case devices.IsGone(err):
		return activeClone{}, ErrNotFound
	case err != nil:
		return activeClone{}, err
	case !d.IsClone():
		return activeClone{}, ErrNoClone
	}
	args, live := d.SnapshotArgs()
	k := activeClone{Device: d, args: table.SnapshotArgs(args)}
	if dev, ok := devices.ParseDev(args.COW); live && ok {
		k.file = c.e.FileOf(dev)
		if !strings.HasSuffix(k.file, host.Deleted) {
			k.store = k.file
		}
	}
	return k, nil
}

// IsClone reports whether a device with this name exists and is a clone.
func (c *Controller) IsClone(name string) bool {
	n, err := devices.KnownName(name)
	if err != nil {
		return false
	}
	_, err = c.cloneNamed(n)
	return err == nil
}

// deleteStore appends the steps that delete a clone's file.
func (c *Controller) deleteStore(p *Plan, k activeClone, n *note) error {
	dev, ok := devices.ParseDev(k.args.COW)
	if !ok || k.file == "" {
		return devices.Refuse("its store is the device %s, which cannot be deleted", c.e.NodePath(dev))
	}
	if k.store == "" {
		return nil // it goes with its last user
	}
	id, err := c.e.FileID(k.store)
	if err != nil {
		return fmt.Errorf("its store: %w", err)
	}
	n.doom(k.store, id, k.Name)
	p.Finish(plan.AwaitDetached{Dev: dev, Path: k.store}, plan.DeleteFile{Path: k.store, ID: id})
	return nil
}

func titleOf(verb string, clones []activeClone) string {
	if len(clones) == 1 {
		return fmt.Sprintf("%s clone %s", verb, clones[0].Name)
	}
	return fmt.Sprintf("%s %d clones", verb, len(clones))
}
