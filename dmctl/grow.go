package dmctl

// Using all of a COW device that has grown, and growing the file under it.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// GrowRequest asks the kernel to use all of a COW device that has grown.
type GrowRequest struct {
	Name  string
	Force bool // also for a snapshot made by another program
	// By, if not 0, first makes the file under the COW device longer, by this
	// many bytes rounded up to whole chunks, but never longer than a store
	// that can hold every chunk. The COW device must then be a loop device.
	By int64
}

// Grow grows the store of a snapshot: PlanGrow and Run. It is safe for
// concurrent use.
func (c *Controller) Grow(ctx context.Context, r GrowRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanGrow(ctx, r) })
}

// PlanGrow plans to make the kernel use all of a COW device that has grown. A
// loop device first adopts its file's new size. The kernel asks the COW device
// for its size whenever it needs a chunk, so most devices need nothing more.
// The snapshot's table is still reloaded, so that device mapper rereads the
// device's limits.
//
// With By, errors wrap ErrNoStoreFile if there is no file to grow, and
// ErrLargeEnough if more room would never be used.
func (c *Controller) PlanGrow(ctx context.Context, r GrowRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	if r.By < 0 {
		return nil, devices.Malformed("grow by %d bytes: negative", r.By)
	}
	if err := c.e.Lock(ctx); err != nil {
		return nil, err
	}
	find := c.snapshotDevice
	if r.Force {
		find = c.anySnapshotDevice
	}
	d, err := find(ctx, "grow", r.Name)
	if errors.Is(err, devices.ErrNotOurs) {
		err = devices.Also(ErrForce, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	state, err := c.checkGrowable(d)
	if err != nil {
		return nil, &Error{Op: "grow", Name: r.Name, Err: err}
	}
	args, _ := d.SnapshotArgs()
	dev, _ := devices.ParseDev(args.COW)
	path := c.e.NodePath(dev)
	p = &Plan{Title: fmt.Sprintf("grow the store of snapshot %s on %s", d.Name, path)}
	if state == table.Overflow.String() {
		p.Note("the Overflow state stays until the snapshot is removed and activated again; its data is valid")
	}
	if r.By > 0 {
		if err := c.growFile(p, d, dev, r.By); err != nil {
			return nil, &Error{Op: "grow", Name: r.Name, Err: err}
		}
	}
	same := plan.Table{Known: d.Live}
	p.Add(plan.Refresh{Dev: dev, Path: path},
		plan.Load{Device: d.Ref(), Table: same, What: "the same once more"},
		plan.Swap{Device: d.Ref(), Old: same, Udev: plan.SnapshotUdev})
	return p, nil
}

// checkGrowable refuses a snapshot that cannot use more room, and returns the
// state of one that can.
func (c *Controller) checkGrowable(d *devices.Device) (state string, err error) {
	args, ok := d.SnapshotArgs()
	_, okDev := devices.ParseDev(args.COW)
	switch {
	case !ok || !okDev:
		return "", devices.RefuseFor(ErrUnfinished, "it has no live snapshot table")
	case d.Suspended():
		return "", devices.RefuseFor(ErrSuspended, "it is suspended")
	case d.HasInactive():
		return "", devices.RefuseFor(ErrUnfinished, "a table waits to be put in place")
	}
	var s Snapshot
	if err := c.fillStatus(&s, d.Name); err != nil {
		return "", err
	}
	if s.State == table.Invalid.String() {
		return "", devices.Refuse("the snapshot is invalid: room comes too late")
	}
	return s.State, nil
}

// growFile plans to grow the file under a snapshot's COW device.
func (c *Controller) growFile(p *Plan, d *devices.Device, dev blockdev.DevNo, by int64) error {
	file := c.e.FileOf(dev)
	if file == "" || strings.HasSuffix(file, host.Deleted) {
		return devices.RefuseFor(ErrNoStoreFile, "its store %s is not a file with a name, under a loop device", c.e.NodePath(dev))
	}
	disk, err := c.e.OpenDev(dev)
	if err != nil {
		return err
	}
	bytes := disk.Bytes()
	if err := disk.Close(); err != nil {
		return err
	}
	to, err := c.grownBytes(d, bytes, by)
	if err != nil {
		return err
	}
	p.Add(plan.GrowFile{Loop: dev, File: file, Bytes: to})
	return nil
}

// grownBytes returns the new size of a store that is to grow.
func (c *Controller) grownBytes(d *devices.Device, bytes, by int64) (int64, error) {
	args, _ := d.SnapshotArgs()
	g, err := cow.NewGeometry(args.ChunkSize)
	if err != nil {
		return 0, err
	}
	version, err := c.TargetVersion(gate.SnapshotTarget, false)
	if err != nil {
		return 0, err
	}
	verdict, _ := gate.Judge(version)
	most := g.MostBytes(int64(d.Live.Size())*cow.SectorSize, verdict != gate.Fixed)
	switch {
	case bytes >= most:
		return 0, devices.RefuseFor(ErrLargeEnough, "its store has %d bytes, and %d hold every chunk", bytes, most)
	case by >= most-bytes:
		return most, nil
	}
	to, ok := g.RoundUp(bytes + by)
	if !ok {
		return most, nil
	}
	return min(to, most), nil
}
