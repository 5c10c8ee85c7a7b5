// Live stores: finding the snapshot that has a store active.

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// activity is what the kernel does with a store.
type activity struct {
	by     string // who holds it, for people
	status func(context.Context) (string, error)
	close  func() error
}

// activityOf tells who has a store active; nil where nobody has. Devices over
// the store's own count too: a COW device is often a linear piece of one.
func activityOf(ctx context.Context, store *blockdev.File) (*activity, error) {
	above, err := devicesAbove(store)
	if err != nil || len(above) == 0 {
		return nil, err
	}
	c, err := dmctl.Open()
	if err != nil {
		return nil, fmt.Errorf("%s is in use by %s, and device mapper cannot be asked what for: %w", store.Path(), above[len(above)-1].node, err)
	}
	a := &activity{by: above[len(above)-1].node, close: c.Close}
	snapshots, err := c.Snapshots(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for _, s := range snapshots {
		for _, d := range above {
			if s.COW == d.node {
				a.by = "snapshot " + s.Name
				a.status = statusLine(c, s.Name)
				return a, nil
			}
		}
	}
	// Held, but by no snapshot: it may be written to all the same.
	a.status = func(context.Context) (string, error) { return "", nil }
	return a, nil
}

// statusLine asks for a snapshot's status, in the form of its status line.
func statusLine(c *dmctl.Controller, name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		s, err := c.SnapshotNamed(ctx, name)
		if err != nil {
			return "", err
		}
		if s.Total == 0 {
			return s.State, nil
		}
		return fmt.Sprintf("%d/%d %d", s.Allocated, s.Total, s.Metadata), nil
	}
}

// layer is a device over a store, or the store's own.
type layer struct {
	dev  blockdev.DevNo
	node string
}
