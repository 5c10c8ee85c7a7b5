package dmctl

// Renaming a snapshot.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// PlanRename plans to rename a snapshot, in use or not. The device for writing
// to its origin keeps its name.
func (c *Controller) PlanRename(ctx context.Context, from, to string) (*Plan, error) {
	d, err := c.snapshotDevice(ctx, "rename", from)
	if err != nil {
		return nil, err
	}
	name, err := devices.SnapshotName(to)
	if err != nil {
		return nil, err
	}
	if _, err := c.e.Info(name); err == nil {
		return nil, &Error{Op: "rename to", Name: to, Err: devices.ErrTaken}
	}
	if err := c.e.NodesFree(name); err != nil {
		return nil, &Error{Op: "rename to", Name: to, Err: err}
	}
	p := &Plan{Title: fmt.Sprintf("rename snapshot %s to %s", d.Name, name)}
	ref := d.Ref()
	p.Add(plan.Rename{Device: ref, From: d.Name, To: name, Back: true}, plan.Node{Device: ref, Name: name})
	p.Finish(plan.NoNode{Name: d.Name})
	return p, nil
}
