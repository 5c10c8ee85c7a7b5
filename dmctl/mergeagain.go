package dmctl

// Joining a merge that is under way or has failed.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// planJoin finishes what a killed run began of a merge, and restarts one that
// failed.
func (c *Controller) planJoin(p *Plan, d, o *devices.Device) error {
	var s Snapshot
	if err := c.fillStatus(&s, o.Name); err != nil {
		return err
	}
	if _, old := d.SnapshotArgs(); old && d.Suspended() && d.HasInactive() {
		p.Finish(resumeAsError(d, ", whose I/O fails from now on"))
	}
	if s.State != table.MergeFailed.String() {
		return nil
	}
	return c.planMergeAgain(p, d, o)
}

// planMergeAgain restarts a merge. The kernel loads no second merge of an
// origin, not even the same one (drivers/md/dm-snap.c:
// __validate_exception_handover). So the store is handed back to the snapshot,
// with the origin's device suspended, and then merged as it was the first time.
//
// A write to the origin in between would be copied to the store, as for any
// snapshot, and the merge would revert it: so nobody may have the origin open.
func (c *Controller) planMergeAgain(p *Plan, d, o *devices.Device) error {
	users, err := c.lastingUsers(o)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return devices.Busy("%s is %s: the merge failed, and nobody may write to the origin while it is restarted",
			o.Name, host.InWords(users))
	}
	m, _ := o.MergeArgs()
	if err := c.checkHandBack(table.SnapshotArgs(m)); err != nil {
		return err
	}
	snap, origin := d.Ref(), o.Ref()
	over := table.Single(o.Live.Size(), table.SnapshotOrigin{Device: m.Origin})
	failing := table.Single(d.Live.Size(), table.Error{})
	p.Add(plan.Load{Device: origin, Table: plan.Table{Known: over}, What: gate.OriginTarget},
		plan.Load{Device: snap, Table: plan.Table{Known: table.Single(d.Live.Size(), table.Snapshot(m))}, What: gate.SnapshotTarget})
	p.BeginPause()
	p.Add(plan.Suspend{Device: origin, Flags: devices.FlagSkipLockFS, Clearing: []*devices.Ref{snap, origin}},
		plan.Resume{Device: snap, Udev: devices.UdevHidden, What: ", which takes the store back", Else: failing, Fails: true})
	p.Finish(plan.Resume{Device: origin, Udev: devices.UdevPrimary, What: " with its new table", Else: over})
	p.EndPause()
	p.Finish(plan.Do{What: "begin the merge as at first", Run: func() error { return c.mergeAtFirst(d.Name) }})
	return nil
}

// checkHandBack refuses to hand back a store whose last chunk was merged
// without a record of that. The kernel clears a record in memory before it
// writes the cleared record, and passes its memory on from table to table
// (drivers/md/dm-snap-persistent.c: persistent_commit_merge). After a failed
// write it would take the cleared record for one of chunk 0, and write the
// store's header over the start of the origin.
//
// On disk the last record is still there, and its chunk is already in the
// origin. If the chunk is not there, the copy failed, which comes before the
// record.
func (c *Controller) checkHandBack(m table.SnapshotArgs) error {
	merged, err := c.lastIsMerged(m)
	if err != nil {
		return fmt.Errorf("compare the next chunks to merge with the origin: %w", err)
	}
	if merged {
		return devices.RefuseFor(ErrMergeUnrecorded, "the kernel has merged a chunk and could not record that in the store; it knows that in memory only")
	}
	return nil
}

// lastIsMerged reports whether the chunk of the last record on disk, the first
// to be merged, is in the origin.
func (c *Controller) lastIsMerged(m table.SnapshotArgs) (merged bool, err error) {
	content, closeStore, err := c.contentOf(m.COW)
	if err != nil {
		return false, err
	}
	defer closeStore()
	base, closeBase, err := c.contentOf(m.Origin)
	if err != nil {
		return false, err
	}
	defer closeBase()
	s, err := store.Open(content, content.Size())
	if err != nil {
		return false, err
	}
	var last *store.Record
	for r, err := range s.Exceptions(context.Background()) {
		if err != nil {
			return false, err
		}
		last = &r
	}
	if last == nil {
		return false, nil
	}
	kept, there := make([]byte, s.Geometry().ChunkBytes()), make([]byte, s.Geometry().ChunkBytes())
	if err := s.ReadChunk(kept, last.New); err != nil {
		return false, err
	}
	offset, _ := s.Geometry().Offset(last.Old)
	n, err := base.ReadAt(there, int64(offset))
	if err != nil && (n == 0 || !errors.Is(err, io.EOF)) { // the origin may end within its last chunk
		return false, err
	}
	return bytes.Equal(kept[:n], there[:n]), nil
}

// contentOf opens a device of a table for reading.
func (c *Controller) contentOf(device string) (host.Content, func(), error) {
	dev, ok := devices.ParseDev(device)
	if !ok {
		return nil, nil, fmt.Errorf("device %q has no number", device)
	}
	d, err := c.e.OpenDev(dev)
	if err != nil {
		return nil, nil, err
	}
	content, err := d.Content()
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return content, func() { _ = errors.Join(content.Close(), d.Close()) }, nil // read only
}

func (c *Controller) mergeAtFirst(name devices.Name) error {
	v, err := devices.Look(c.e)
	if err != nil {
		return err
	}
	p := &Plan{Title: fmt.Sprintf("merge snapshot %s", name)}
	d := v.ByName(name)
	if d == nil {
		return &Error{Op: "merge", Name: name.String(), Err: ErrNotFound}
	}
	// Both were settled when the merge began.
	if err := c.planMergeStart(p, v, d, true, true); err != nil {
		return &Error{Op: "merge", Name: name.String(), Err: err}
	}
	return c.e.RunLocked(context.Background(), p)
}
