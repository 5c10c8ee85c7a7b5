package dmctl

// The order of operations that puts a snapshot on top of its origin. The COW
// device is ready: zeroed, or with a store.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// hidden marks an unfinished snapshot: it has no node, and udev does not scan
// it.
const hidden = devices.UdevHidden | devices.UdevNoNode

// addSnapshot appends the steps. A snapshot has a temporary name until it is
// finished, so that one left by a killed run can be recognized.
func (j *job) addSnapshot(p *Plan, r devices.Role) error {
	for _, note := range j.notes {
		p.Note("%s", note)
	}
	snap, err := devices.NewRef(j.newName, r, j.cow.Dev())
	if err != nil {
		return err
	}
	switch j.kind {
	case originPlain:
		err = j.onPlain(p, snap)
	case originMapped:
		err = j.onMapped(p, snap)
	default:
		j.onExisting(p, snap)
	}
	p.Add(plan.Rename{Device: snap, From: j.newName, To: j.name}, plan.Node{Device: snap, Name: j.name})
	return err
}

// makeSnapshot returns the steps that make the snapshot's device and load its
// table. On loading, the kernel reads the store, or writes the header and first
// area of a fresh one. It flushes neither (drivers/md/dm-snap-persistent.c:
// write_header).
func (j *job) makeSnapshot(snap *devices.Ref, base func() blockdev.DevNo) []plan.Step {
	live := func() table.Table {
		args := j.args
		args.Origin, args.COW = base().String(), j.cow.Dev().String()
		return table.Single(j.size(), table.Snapshot(args))
	}
	steps := []plan.Step{
		plan.Create{Device: snap},
		plan.Load{Device: snap, Table: plan.Table{Later: live}, New: true, Releases: []host.Disk{j.cow},
			What: fmt.Sprintf("snapshot with chunks of %d bytes, store %s on %s (%v)", j.args.ChunkSize*cow.SectorSize, j.args.Store, j.cow.Path(), j.cow.Dev())},
	}
	if j.args.Store.IsPersistent() {
		steps = append(steps, plan.Flush{Disk: j.cow})
	}
	return steps
}

// onPlain builds NAME-origin and NAME over a plain block device. NAME-origin is
// resumed last; nobody can write through it before that.
func (j *job) onPlain(p *Plan, snap *devices.Ref) error {
	base := j.origin.Dev()
	origin, err := devices.NewRef(j.originName, devices.RoleOrigin, base)
	if err != nil {
		return err
	}
	over := table.Single(j.size(), table.SnapshotOrigin{Device: base.String()})
	p.Add(plan.Create{Device: origin},
		plan.Load{Device: origin, Table: plan.Table{Known: over}, New: true, What: fmt.Sprintf("snapshot-origin of %s (%v)", j.origin.Path(), base)})
	p.Add(j.makeSnapshot(snap, func() blockdev.DevNo { return base })...)
	p.Add(plan.Resume{Device: snap, Udev: hidden},
		plan.Resume{Device: origin, Udev: devices.UdevPrimary},
		plan.Node{Device: origin, Name: origin.Name})
	return nil
}

// onMapped moves the origin's own table down into a layer, and makes the
// origin, while in use, a snapshot-origin over that layer. The snapshot is
// active from the same moment.
//
// The snapshot is resumed first: writes are copied to it only when the origin
// has become a snapshot-origin. One call suspends the origin (flushing it and
// freezing the file system on it), swaps the tables and resumes it. There is no
// moment at which this process could die and leave the origin suspended.
// Anything read from the snapshot before the swap may be older than its point
// in time. So it gets its own name only afterwards, and its page cache is
// dropped.
func (j *job) onMapped(p *Plan, snap *devices.Ref) error {
	o := j.over.Ref()
	real, err := devices.NewRef(j.originName, devices.RoleReal, o.Dev)
	if err != nil {
		return err
	}
	over := func() table.Table {
		return table.Single(j.size(), table.SnapshotOrigin{Device: real.Dev.String()})
	}
	p.Add(plan.Create{Device: real},
		plan.Load{Device: real, Table: plan.Table{Of: o}, New: true, What: fmt.Sprintf("that of %s", o.Name)},
		plan.Resume{Device: real, Udev: devices.UdevHidden})
	p.Add(j.makeSnapshot(snap, func() blockdev.DevNo { return real.Dev })...)
	p.Add(plan.Load{Device: o, Table: plan.Table{Later: over}, What: fmt.Sprintf("snapshot-origin of %s", real.Name)},
		plan.Resume{Device: snap, Udev: hidden},
		plan.Swap{Device: o, Old: plan.Table{Of: real}, Udev: devices.UdevPrimary, Back: true},
		plan.DropCache{Device: snap})
	return nil
}

// onExisting adds a snapshot below an existing snapshot-origin.
//
// The origin starts copying to a snapshot when the snapshot is resumed. It
// copies in pieces of the smallest chunk size among the snapshots it had at its
// own last resume (drivers/md/dm-snap.c: __origin_write, origin_resume). So the
// origin is suspended first, which flushes it and freezes the file system on
// it. Then the snapshot is resumed, and last the origin, with its table loaded
// again. On that resume it recomputes where to split I/O.
//
// Existing snapshots stay live meanwhile. A write through one of them goes to
// its own store and never to the origin. If an origin write waits for a copy to
// such a store, the copy is done before the origin is suspended. None of this
// shows in the new snapshot.
func (j *job) onExisting(p *Plan, snap *devices.Ref) {
	o := j.over.Ref()
	base, _ := j.over.Base()
	p.Add(j.makeSnapshot(snap, func() blockdev.DevNo { return base })...)
	p.Add(plan.Load{Device: o, Table: plan.Table{Known: j.over.Live}, What: "the same once more"})
	p.BeginPause(o.Dev)
	p.Add(plan.Suspend{Device: o, What: ", which flushes it and freezes the file system on it", Clearing: []*devices.Ref{o}},
		plan.Resume{Device: snap, Udev: hidden},
		plan.Resume{Device: o, Udev: devices.UdevPrimary, What: fmt.Sprintf(", which copies to %s from now on", snap.Name)})
	p.EndPause()
}
