package dmctl

// Creating a snapshot.

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// DefaultChunkSize is used where a request names none: 16 KiB.
const DefaultChunkSize cow.Sectors = 32

// CreateRequest asks for a fresh snapshot.
type CreateRequest struct {
	Name, Origin, COW string      // the snapshot's name; paths of block devices
	ChunkSize         cow.Sectors // 0: DefaultChunkSize
	Transient         bool        // exceptions in memory only
	// Overflow has a persistent store stay valid when a write through the
	// snapshot finds no room (PO), where the kernel knows that.
	Overflow              bool
	DiscardZeroesCOW      bool
	DiscardPassdownOrigin bool
	Force                 bool // lets pass what is refused with ErrForce
}

// Check tells what is wrong with a request whatever the machine's state;
// errors wrap ErrUsage.
func (r CreateRequest) Check() error {
	if _, err := newName(r.Name); err != nil {
		return err
	}
	if r.DiscardPassdownOrigin && !r.DiscardZeroesCOW {
		return malformed("%s needs %s beside it", table.DiscardPassdownOrigin, table.DiscardZeroesCOW)
	}
	if err := cow.CheckChunkSize(cow.Sectors(r.chunkSize())); err != nil {
		return malformed("%v", err)
	}
	return nil
}

func (r CreateRequest) chunkSize() cow.Sectors {
	if r.ChunkSize == 0 {
		return DefaultChunkSize
	}
	return r.ChunkSize
}

// Create makes a fresh snapshot: PlanCreate and Run.
func (c *Controller) Create(ctx context.Context, r CreateRequest) error {
	p, err := c.PlanCreate(ctx, r)
	if err != nil {
		return err
	}
	return c.Run(ctx, p)
}

// PlanCreate plans a fresh snapshot. All that can be refused is refused here.
func (c *Controller) PlanCreate(ctx context.Context, r CreateRequest) (*Plan, error) {
	j, err := c.prepare(r)
	if err != nil {
		return nil, err
	}
	if err := c.checkBlank(j, r.Force); err != nil {
		return nil, err
	}
	j.role = roleSnapshot
	p := &Plan{Title: fmt.Sprintf("create snapshot %s of %s", j.name, j.origin.Path)}
	p.Notes = j.notes
	if j.args.Store.IsPersistent() {
		c.addZero(p, j)
	}
	return p, c.planSnapshot(p, j)
}

// addZero makes the COW device a fresh one. Its undo does the same, so that
// the header that the kernel has written meanwhile does not have the next
// create refuse the device.
func (c *Controller) addZero(p *Plan, j *job) {
	zero := func() error { return c.h.Zero(j.cow.Path, j.headBytes()) }
	p.add(fmt.Sprintf("zero chunks 0 and 1 of %s (%d bytes) and flush it", j.cow.Path, j.headBytes()), zero, zero)
	p.steps[len(p.steps)-1].leaves = "chunks 0 and 1 of " + j.cow.Path + " are zeroed"
	if j.carried != "" {
		p.steps[len(p.steps)-1].leaves += ", where it carried " + j.carried
	}
}

// planSnapshot appends what puts a snapshot on top of its origin; the COW
// device is ready.
func (c *Controller) planSnapshot(p *Plan, j *job) error {
	snap, err := newLayer(j.newName, j.role, j.cow.Dev)
	if err != nil {
		return err
	}
	switch j.kind {
	case originPlain:
		return c.planOnPlain(p, j, snap)
	case originMapped:
		return c.planOnMapped(p, j, snap)
	default:
		c.planOnExisting(p, j, snap)
		return nil
	}
}

// planOnPlain builds NAME-origin and NAME over a plain block device. Nobody
// can write through NAME-origin before it is resumed, last.
func (c *Controller) planOnPlain(p *Plan, j *job, snap *layer) error {
	origin, err := newLayer(j.originName, roleOrigin, j.origin.Dev)
	if err != nil {
		return err
	}
	base := j.origin.Dev
	c.addLayer(p, origin, func() table.Table {
		return table.Single(j.size(), table.SnapshotOrigin{Device: base.String()})
	}, fmt.Sprintf("snapshot-origin of %s", j.origin.Path))
	c.addSnapshotLayer(p, j, snap, func() blockdev.DevNo { return base })
	c.addResume(p, snap, wire.UdevHidden|wire.UdevNoNode)
	c.addResume(p, origin, wire.UdevPrimary)
	c.addNode(p, origin, origin.name)
	c.addName(p, j, snap)
	return nil
}

// planOnExisting adds one more snapshot below a snapshot-origin that is there.
//
// Such an origin copies to a snapshot from the snapshot's own resume on, in
// pieces as large as its smallest snapshot at the origin's last resume has
// chunks (drivers/md/dm-snap.c: __origin_write, origin_resume). So the origin
// is suspended first, which flushes it and freezes the file system on it, then
// the snapshot is resumed, and last the origin, with its table loaded anew,
// for which it recomputes where it has to split I/O.
//
// Snapshots that are there go on meanwhile. What is written through one of
// them goes to its own store and never to the origin, and a copy to its store
// that an origin write waits for is done before the origin is suspended: none
// of that shows in the new snapshot.
func (c *Controller) planOnExisting(p *Plan, j *job, snap *layer) {
	o := j.over
	base, _ := o.base()
	c.addSnapshotLayer(p, j, snap, func() blockdev.DevNo { return base })
	c.addLoad(p, o, o.live, "the same once more")
	p.beginPause(o.Dev)
	p.add(fmt.Sprintf("suspend %s, which flushes it and freezes the file system on it", o.Name),
		func() error { return c.suspend(o.Name, 0) },
		func() error { return errors.Join(c.clear(o.Name), c.resume(o.Name, wire.UdevPrimary)) })
	c.addResume(p, snap, wire.UdevHidden|wire.UdevNoNode)
	p.add(fmt.Sprintf("resume %s, which copies to %s from now on", o.Name, snap.name),
		func() error { return c.resume(o.Name, wire.UdevPrimary) }, nil)
	p.endPause()
	c.addName(p, j, snap)
}

// addLayer creates a device and loads its table, without resuming it.
func (c *Controller) addLayer(p *Plan, l *layer, t func() table.Table, what string) {
	p.add(fmt.Sprintf("create device %s", l.name),
		func() error { return c.create(l) },
		func() error { return c.removeLayer(l) })
	p.add(fmt.Sprintf("load its table: %s", what),
		func() error { return c.load(l.name, t()) }, nil)
}

// addSnapshotLayer creates the snapshot's device and loads its table, by
// which the kernel reads the store, or writes header and first area of a
// fresh one. It flushes neither (drivers/md/dm-snap-persistent.c: write_header).
func (c *Controller) addSnapshotLayer(p *Plan, j *job, snap *layer, base func() blockdev.DevNo) {
	c.addLayer(p, snap, func() table.Table {
		args := j.args
		args.Origin, args.COW = base().String(), j.cow.Dev.String()
		return table.Single(j.size(), table.Snapshot(args))
	}, fmt.Sprintf("snapshot with chunks of %d bytes, store %s on %s", j.args.ChunkSize*cow.SectorSize, j.args.Store, j.cow.Path))
	if j.args.Store.IsPersistent() {
		p.add(fmt.Sprintf("flush %s", j.cow.Path), func() error { return c.h.Flush(j.cow.Path) }, nil)
	}
}

// addSwap makes the origin's device a snapshot-origin while it is in use, with
// the snapshot active from the same moment on.
//
// The snapshot is resumed first: writes are copied to it only when the origin
// has become a snapshot-origin. One call suspends the origin (flushing it and
// freezing the file system on it), swaps the tables and resumes it: no moment
// at which this process could die and leave it suspended. What anyone read
// from the snapshot before that moment may be older than its point in time, so
// it has not its own name until then, and what the page cache has of it is
// dropped.
func (c *Controller) addSwap(p *Plan, j *job, snap *layer, to func() table.Table) {
	o := j.over
	p.add(fmt.Sprintf("load the new table of %s", o.Name),
		func() error { return c.load(o.Name, to()) },
		func() error { return c.clear(o.Name) })
	c.addResume(p, snap, wire.UdevHidden|wire.UdevNoNode)
	p.add(fmt.Sprintf("suspend %s, swap its tables and resume it, in one call", o.Name),
		func() error { return c.swap(o.Name, o.live, wire.UdevPrimary) },
		func() error { return c.putBack(o.Name, o.live) })
	p.add(fmt.Sprintf("drop what the page cache has of %s", snap.name),
		func() error { return c.dropCache(snap.name, snap.dev) }, nil)
	c.addName(p, j, snap)
}

// addName gives the snapshot its own name. By the one it has until then, a
// killed run's unfinished snapshot is known.
func (c *Controller) addName(p *Plan, j *job, snap *layer) {
	p.add(fmt.Sprintf("rename %s to %s", snap.name, j.name),
		func() error { return c.rename(snap, j.name) }, nil)
	c.addNode(p, snap, j.name)
}

func (c *Controller) addResume(p *Plan, l *layer, udev wire.Udev) {
	p.add(fmt.Sprintf("resume %s", l.name),
		func() error { return c.resume(l.name, udev) }, nil)
}

func (c *Controller) addNode(p *Plan, l *layer, name wire.Name) {
	p.add(fmt.Sprintf("see that /dev/mapper/%s is there", name),
		func() error { return c.addNodeOf(l) }, nil)
}
