package dmctl

// Finding what a killed run left, and finishing or undoing it. All that is
// needed stands in the kernel: our devices' UUIDs say what they are for, their
// tables how far the run had come. So nothing of it survives a reboot that
// would have to be cleaned up after one.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Recover puts in order what a killed run left: PlanRecover and Run.
func (c *Controller) Recover(ctx context.Context) error {
	p, err := c.PlanRecover(ctx)
	if err != nil {
		return err
	}
	return c.Run(ctx, p)
}

// PlanRecover looks for what a killed run left. Its plan has no steps where
// all is in order. What was not finished is undone, except where that would
// lose what the origin's users already rely on: a layer that is in use is
// taken out again as by remove, a merge that has begun goes on.
//
// Each step is tried, whatever became of those before it; the order is that of
// need: I/O that is held goes on first.
func (c *Controller) PlanRecover(context.Context) (*Plan, error) {
	v, err := c.lookLocked()
	if err != nil {
		return nil, err
	}
	r := &recovery{c: c, v: v, p: &Plan{Title: "put in order what a killed run left", independent: true}, doomed: map[*device]bool{}, settled: map[*device]bool{}}
	r.restarts()
	r.waitingTables()
	r.heldIO()
	r.snapshots()
	r.merges()
	r.layers()
	r.origins()
	r.recordings()
	r.nodes()
	return r.p, nil
}

type recovery struct {
	c       *Controller
	v       view
	p       *Plan
	doomed  map[*device]bool // will be removed
	settled map[*device]bool // nothing more is to be done about its tables
}

// restarts looks for a failed merge that was about to be started anew: undone
// before the store was handed back to the snapshot, finished after that.
func (r *recovery) restarts() {
	for _, d := range r.v {
		o := r.v.mergingInto(d)
		if o == nil {
			continue
		}
		_, back := soleSpec(d.waiting).(table.Snapshot)
		_, is := d.snapshotArgs()
		m, _ := o.mergeArgs()
		switch {
		case back:
			r.clear(d)
			if o.HasInactive() {
				r.clear(o)
			}
			r.settled[d] = true
			if d.Suspended() {
				r.p.finish(fmt.Sprintf("resume %s, whose I/O fails while it is merged", d.Name),
					func() error { return r.c.resumeAsError(d) })
			}
		case is && !d.Suspended() && !d.HasInactive():
			r.settled[d], r.settled[o] = true, true
			origin := table.Single(o.live.Size(), table.SnapshotOrigin{Device: m.Origin})
			r.p.finish(fmt.Sprintf("make %s a snapshot-origin, the store is its snapshot's again", o.Name), func() error {
				return errors.Join(r.c.load(o.Name, origin), r.c.resumeWith(o.Name, origin))
			})
		}
	}
}

func (r *recovery) clear(d *device) {
	d.waiting = nil
	d.Flags &^= wire.FlagInactive
	r.p.finish(fmt.Sprintf("clear the inactive table of %s", d.Name),
		func() error { return r.c.clear(d.Name) })
}

// waitingTables clears tables that were loaded for a swap that never came, so
// that no resume puts them in place. The error table of a snapshot whose merge
// has begun is the one that has to come.
func (r *recovery) waitingTables() {
	for _, d := range r.v {
		if d.HasInactive() && d.HasActive() && r.isOurTable(d) && r.v.mergingInto(d) == nil && !r.settled[d] {
			r.clear(d)
		}
	}
}

// heldIO resumes what is suspended, and snapshots whose merge has begun. It
// comes after waitingTables: a snapshot does not resume while a merge's table
// waits for its store.
func (r *recovery) heldIO() {
	for _, d := range r.v {
		merging := r.v.mergingInto(d) != nil
		switch {
		case r.settled[d]:
		case merging && (d.Suspended() || d.HasInactive()):
			r.p.finish(fmt.Sprintf("resume %s, whose I/O fails while it is merged", d.Name),
				func() error { return r.c.resumeAsError(d) })
		case d.Suspended() && d.HasActive() && r.concernsUs(d):
			r.p.finish(fmt.Sprintf("resume %s", d.Name),
				func() error { return r.c.resumeHeld(d.Name) })
		}
	}
}

// resumeHeld resumes a device that a guardian may be resuming just now: of two
// at once the kernel refuses one (drivers/md/dm.c: dm_resume).
func (c *Controller) resumeHeld(name wire.Name) error {
	cause := c.resume(name, wire.UdevPrimary)
	if info, err := c.k.Info(name); cause != nil && err == nil && !info.Suspended() {
		return nil
	}
	return cause
}

// concernsUs says whether d is ours, or an origin that we made of another's.
func (r *recovery) concernsUs(d *device) bool {
	return d.role() != "" || r.v.real(d) != nil || r.isOurTable(d)
}

// isOurTable says whether the table that waits in d is one of our plans': that
// of any device of ours; for another's, a snapshot-origin or snapshot-merge on
// a layer of ours, or the layer's own table on its way back, or the live table
// once more.
func (r *recovery) isOurTable(d *device) bool {
	if d.waiting == nil {
		return false
	}
	if d.role() != "" {
		return true
	}
	base, ok := baseOf(soleSpec(d.waiting))
	if ok {
		below := r.v.byDev(base)
		return below != nil && below.role() == roleReal
	}
	layer := r.v.real(d)
	return layer != nil && d.waiting.String() == layer.live.String()
}

// snapshots removes snapshots that were never finished: with the name that
// they have until then, without a live table, or with one whose origin nobody
// can write through.
func (r *recovery) snapshots() {
	for _, d := range r.v {
		if !d.isOurSnapshot() || r.v.mergingInto(d) != nil {
			continue
		}
		args, live := d.snapshotArgs()
		base, _ := parseDev(args.Origin)
		unfinished := strings.HasSuffix(d.Name.String(), newSuffix)
		if unfinished && d.role() == roleSnapshot {
			_, cow, _ := parseUUID(d.UUID)
			r.p.note("%s may hold the store of a snapshot that was never finished: to create it again say --force", r.c.h.NodePath(cow))
		}
		if !live || unfinished || r.v.originOver(base) == nil {
			r.remove(d)
		}
	}
}

// merges finishes those that are done.
func (r *recovery) merges() {
	for _, d := range r.v {
		if r.v.mergingInto(d) == nil || r.settled[d] {
			continue
		}
		s, _, err := r.c.snapshotOf(r.v, d)
		if err != nil || !s.mergeDone() {
			r.p.note("the merge of %s goes on in the kernel: `dmsnapctl merge %s` waits for it", d.Name, d.Name)
			continue
		}
		done := &Plan{merging: mergeOf(d, r.v.mergingInto(d))}
		r.p.finish(fmt.Sprintf("put things in order after merging %s", d.Name), func() error {
			return r.c.FinishMerge(context.Background(), done, nil)
		})
		r.doomed[d] = true
	}
}

// layers takes out ORIGIN-dmsnap-real that is not, or no longer, needed.
func (r *recovery) layers() {
	for _, d := range r.v {
		if d.role() != roleReal {
			continue
		}
		origin := r.v.originOver(d.Dev)
		switch {
		case origin == nil:
			r.remove(d)
		case !r.hasSnapshots(d.Dev) && !r.isMerge(origin):
			r.restore(origin, d)
		}
	}
}

// restore gives the origin its own table back, as planRestore does.
func (r *recovery) restore(origin, layer *device) {
	r.p.finish(fmt.Sprintf("give %s its own table back", origin.Name), func() error {
		if err := r.c.load(origin.Name, layer.live); err != nil {
			return err
		}
		return r.c.swap(origin.Name, origin.live, wire.UdevPrimary)
	})
	r.remove(layer)
}

// origins removes NAME-origin that has no snapshots and that nobody uses.
func (r *recovery) origins() {
	for _, d := range r.v {
		if d.role() != roleOrigin || r.isMerge(d) {
			continue
		}
		base, ok := d.base()
		if ok && r.hasSnapshots(base) {
			continue
		}
		if users, err := r.c.h.Users(d.Dev); err != nil || len(users) > 0 || d.OpenCount > 0 {
			r.p.note("%s has no snapshot but is in use: it passes its I/O on", d.Name)
			continue
		}
		r.remove(d)
	}
}

func (r *recovery) isMerge(d *device) bool {
	_, merging := d.mergeArgs()
	return merging
}

func (r *recovery) hasSnapshots(base blockdev.DevNo) bool {
	for _, s := range r.v.snapshotsOf(base) {
		if !r.doomed[s] {
			return true
		}
	}
	return false
}

func (r *recovery) remove(d *device) {
	r.doomed[d] = true
	r.p.finish(fmt.Sprintf("remove device %s", d.Name), func() error { return r.c.remove(d.Name) })
}

// nodes makes the nodes that are missing, of the devices that stay, and
// removes those under names that no device has: of a device that is gone, or
// of one of ours that was renamed.
func (r *recovery) nodes() {
	for name, dev := range r.c.h.Nodes() {
		d := r.v.byDev(dev)
		if r.v.byName(name) == nil && (d == nil || d.role() != "") {
			r.p.finish(fmt.Sprintf("remove the node /dev/mapper/%s of no device", name),
				func() error { return r.c.removeNode(name) })
		}
	}
	for _, d := range r.v {
		if d.role() == "" || d.role() == roleReal || r.doomed[d] || r.c.h.HasNode(d.Name, d.Dev) {
			continue
		}
		r.p.finish(fmt.Sprintf("see that /dev/mapper/%s is there", d.Name),
			func() error { return r.c.addNodeOf(&layer{name: d.Name, dev: d.Dev}) })
	}
}
