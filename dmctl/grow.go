package dmctl

// Using all of a COW device that has grown.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// PlanGrow plans to have the kernel use all of a COW device that has grown. A
// loop device takes its file's new size first. The kernel asks the COW device
// for its size whenever it needs a chunk, so that most devices need nothing
// more; the snapshot's table is loaded once more all the same, which has device
// mapper look at the device's limits again.
func (c *Controller) PlanGrow(_ context.Context, name string) (*Plan, error) {
	d, err := c.snapshotDevice("grow", name)
	if err != nil {
		return nil, err
	}
	args, ok := d.snapshotArgs()
	cow, okDev := parseDev(args.COW)
	if !ok || !okDev {
		return nil, &Error{"grow", name, refuse("it has no live snapshot table: run `dmsnapctl recover`")}
	}
	if d.Suspended() || d.HasInactive() {
		return nil, &Error{"grow", name, refuse("it is suspended, or has a table waiting: run `dmsnapctl resume` or `recover` first")}
	}
	var before Snapshot
	if err := c.fillStatus(&before, d.Name); err != nil {
		return nil, err
	}
	path := c.h.NodePath(cow)
	p := &Plan{Title: fmt.Sprintf("grow the store of snapshot %s on %s", d.Name, path)}
	switch before.State {
	case table.Invalid.String():
		return nil, &Error{"grow", name, refuse("the snapshot is invalid: room comes too late")}
	case table.Overflow.String():
		p.note("the state Overflow stays until the snapshot is removed and activated again; what the snapshot holds is valid")
	}
	p.add(fmt.Sprintf("have %s take the size of what it is on", path),
		func() error { return c.h.Refresh(cow) }, nil)
	c.addLoad(p, d, d.live, "the same once more")
	p.add(fmt.Sprintf("suspend %s, swap its tables and resume it, in one call", d.Name),
		func() error { return c.swap(d.Name, d.live, snapshotUdev) }, nil)
	return p, nil
}
