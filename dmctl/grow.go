package dmctl

// Using all of a grown COW device.

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// GrowRequest asks the kernel to use all of a COW device that has grown.
type GrowRequest struct {
	Name  string
	Force bool // also for a snapshot made by another program
}

// PlanGrow plans to make the kernel use all of a COW device that has grown. A
// loop device first adopts its file's new size. The kernel asks the COW device
// for its size whenever it needs a chunk, so most devices need nothing more.
// The snapshot's table is still reloaded, so that device mapper rereads the
// device's limits.
func (c *Controller) PlanGrow(_ context.Context, r GrowRequest) (*Plan, error) {
	find := c.snapshotDevice
	if r.Force {
		find = c.anySnapshotDevice
	}
	d, err := find("grow", r.Name)
	if errors.Is(err, devices.ErrNotOurs) {
		err = devices.Also(ErrForce, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	args, ok := d.SnapshotArgs()
	cow, okDev := devices.ParseDev(args.COW)
	var before Snapshot
	switch {
	case !ok || !okDev:
		err = devices.RefuseFor(ErrUnfinished, "it has no live snapshot table")
	case d.Suspended():
		err = devices.RefuseFor(ErrSuspended, "it is suspended")
	case d.HasInactive():
		err = devices.RefuseFor(ErrUnfinished, "a table waits to be put in place")
	default:
		err = c.fillStatus(&before, d.Name)
	}
	if before.State == table.Invalid.String() {
		err = devices.Refuse("the snapshot is invalid: room comes too late")
	}
	if err != nil {
		return nil, &Error{Op: "grow", Name: r.Name, Err: err}
	}
	path := c.e.NodePath(cow)
	p := &Plan{Title: fmt.Sprintf("grow the store of snapshot %s on %s", d.Name, path)}
	if before.State == table.Overflow.String() {
		p.Note("the Overflow state stays until the snapshot is removed and activated again; its data is valid")
	}
	same := plan.Table{Known: d.Live}
	p.Add(plan.Refresh{Dev: cow, Path: path},
		plan.Load{Device: d.Ref(), Table: same, What: "the same once more"},
		plan.Swap{Device: d.Ref(), Old: same, Udev: plan.SnapshotUdev})
	return p, nil
}
