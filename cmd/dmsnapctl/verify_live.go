// Live stores: finding the snapshot that has a store active.

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// activity is what the kernel does with a store.
type activity struct {
	by    string // who holds it, for people
	name  string // the snapshot that has it; "" for a merge and for other users
	look  func(context.Context) (verify.Moment, error)
	close func() error
}

// activityOf returns who has a store active, or nil if nobody has. Devices on
// top of the store's own count too: a COW device is often a linear piece of
// one.
func activityOf(ctx context.Context, store *blockdev.File) (*activity, error) {
	above, err := devicesAbove(store)
	if err != nil || len(above) == 0 {
		return nil, err
	}
	c, err := openController()
	if err != nil {
		return nil, fmt.Errorf("%s is in use by %s, and device mapper cannot be asked what for: %w", store.Path(), above[len(above)-1].node, err)
	}
	numbers := make([]blockdev.DevNo, len(above))
	for i, l := range above {
		numbers[i] = l.dev
	}
	user, err := c.StoreUser(numbers...)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	a := &activity{by: above[len(above)-1].node, close: c.Close, look: alienMoment}
	if user != nil {
		a.by, a.look = "snapshot "+user.Name, user.Look
	}
	switch {
	case user != nil && user.Merging:
		a.by = "the merge into " + user.Name
	case user != nil:
		a.name = user.Name
	}
	return a, nil
}

// alienMoment is any moment of a store that no snapshot holds. It may still be
// written to, but no exceptions are committed.
func alienMoment(context.Context) (verify.Moment, error) { return verify.Moment{Quiet: true}, nil }

// refuseRoles returns an error if the device opened as a store has another
// role: the device of a snapshot, with any content, or an origin whose start is
// blank.
func refuseRoles(ctx context.Context, o *console, store *blockdev.File) (err error) {
	above, err := devicesAbove(store)
	if err != nil || len(above) == 0 && !isMapped(store) {
		return err
	}
	own := store.DevNo()
	if len(above) > 0 {
		own = above[0].dev
	}
	c, err := openController()
	if err != nil {
		if isMapped(store) { // the other kind fails soon
			o.warnf("%s: whether it is a snapshot or an origin cannot be told: %w", store.Path(), err)
		}
		return nil
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s, err := c.SnapshotAt(ctx, own)
	if err != nil {
		return err
	}
	if s != nil {
		return fmt.Errorf("%s is snapshot %s itself; its store is %s", store.Path(), s.Name, s.COW)
	}
	s, err = c.SnapshotOf(ctx, own)
	if err != nil || s == nil {
		return err
	}
	carried, err := blockdev.Carried(store, store.Size())
	if err == nil && carried == "" {
		err = fmt.Errorf("%s is the origin of a snapshot; the snapshot's store is %s", store.Path(), s.COW)
	}
	return err
}

// layer is a device on top of a store, or the store's own.
type layer struct {
	dev  blockdev.DevNo
	node string
}
