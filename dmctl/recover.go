package dmctl

// Finding what a killed run left, and finishing or undoing it. All that is
// needed stands in the kernel: our devices' UUIDs say what they are for, their
// tables how far the run had come. So nothing of it survives a reboot that
// would have to be cleaned up after one.

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Recover puts in order what a killed run left: PlanRecover and Run.
func (c *Controller) Recover(ctx context.Context) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanRecover(ctx) })
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
	r := &recovery{c: c, v: v, p: plan.Independent("put in order what a killed run left"), doomed: map[*devices.Device]bool{}, settled: map[*devices.Device]bool{}}
	r.restarts()
	r.waitingTables()
	r.heldIO()
	r.snapshots()
	r.merges()
	r.layers()
	r.origins()
	r.recordings()
	r.files()
	r.nodes()
	return r.p, r.commands()
}

type recovery struct {
	c       *Controller
	v       devices.View
	p       *Plan
	doomed  map[*devices.Device]bool // will be removed
	settled map[*devices.Device]bool // nothing more is to be done about its tables
}

// restarts looks for a failed merge that was about to be started anew: undone
// before the store was handed back to the snapshot, finished after that.
func (r *recovery) restarts() {
	for _, d := range r.v {
		o := r.v.MergingInto(d)
		if o == nil {
			continue
		}
		_, back := devices.SoleSpec(d.Waiting).(table.Snapshot)
		_, is := d.SnapshotArgs()
		m, _ := o.MergeArgs()
		switch {
		case back:
			r.clear(d)
			if o.HasInactive() {
				r.clear(o)
			}
			r.settled[d] = true
			if d.Suspended() {
				r.p.Finish(resumeAsError(d, ", whose I/O fails while it is merged"))
			}
		case is && !d.Suspended() && !d.HasInactive():
			r.settled[d], r.settled[o] = true, true
			origin := table.Single(o.Live.Size(), table.SnapshotOrigin{Device: m.Origin})
			// The store is its snapshot's again.
			r.p.Finish(plan.Load{Device: o.Ref(), Table: plan.Table{Known: origin}, What: "snapshot-origin"},
				plan.Resume{Device: o.Ref(), Udev: wire.UdevPrimary, Else: origin})
		}
	}
}

func (r *recovery) clear(d *devices.Device) {
	d.Waiting = nil
	d.Flags &^= wire.FlagInactive
	r.p.Finish(plan.Clear{Device: d.Ref()})
}

// waitingTables clears tables that were loaded for a swap that never came, so
// that no resume puts them in place. The error table of a snapshot whose merge
// has begun is the one that has to come.
func (r *recovery) waitingTables() {
	for _, d := range r.v {
		if d.HasInactive() && d.HasActive() && r.isOurTable(d) && r.v.MergingInto(d) == nil && !r.settled[d] {
			r.clear(d)
		}
	}
}

// heldIO resumes what is suspended, and snapshots whose merge has begun. It
// comes after waitingTables: a snapshot does not resume while a merge's table
// waits for its store.
func (r *recovery) heldIO() {
	for _, d := range r.v {
		merging := r.v.MergingInto(d) != nil
		switch {
		case r.settled[d]:
		case merging && (d.Suspended() || d.HasInactive()):
			r.p.Finish(resumeAsError(d, ", whose I/O fails while it is merged"))
		case d.Suspended() && d.HasActive() && r.concernsUs(d):
			r.p.Finish(plan.ResumeHeld{Device: d.Ref()})
		}
	}
}

// concernsUs says whether d is ours, or an origin that we made of another's.
func (r *recovery) concernsUs(d *devices.Device) bool {
	return d.Role() != "" || r.v.Real(d) != nil || r.isOurTable(d)
}

// isOurTable says whether the table that waits in d is one of our plans': that
// of any device of ours; for another's, a snapshot-origin or snapshot-merge on
// a layer of ours, or the layer's own table on its way back, or the live table
// once more.
func (r *recovery) isOurTable(d *devices.Device) bool {
	if d.Waiting == nil {
		return false
	}
	if d.Role() != "" {
		return true
	}
	base, ok := devices.BaseOf(devices.SoleSpec(d.Waiting))
	if ok {
		below := r.v.ByDev(base)
		return below != nil && below.Role() == devices.RoleReal
	}
	layer := r.v.Real(d)
	if layer == nil {
		return false
	}
	same, err := r.c.e.SameTable(d.Name, layer.Name)
	return err == nil && same
}

// snapshots removes snapshots that were never finished: with the name that
// they have until then, without a live table, or with one whose origin nobody
// can write through.
func (r *recovery) snapshots() {
	for _, d := range r.v {
		if !d.IsOurSnapshot() || r.v.MergingInto(d) != nil {
			continue
		}
		args, live := d.SnapshotArgs()
		base, _ := devices.ParseDev(args.Origin)
		unfinished := strings.HasSuffix(d.Name.String(), devices.NewSuffix)
		if unfinished && d.Role() == devices.RoleSnapshot {
			_, cow, _ := devices.ParseUUID(d.UUID)
			r.p.NoteAbout(ErrForce, "", "%s may hold the store of a snapshot that was never finished", r.c.e.NodePath(cow))
		}
		if !live || unfinished || !d.IsClone() && r.v.OriginOver(base) == nil {
			r.remove(d)
		}
	}
}

// merges finishes those that are done.
func (r *recovery) merges() {
	for _, d := range r.v {
		if r.v.MergingInto(d) == nil || r.settled[d] {
			continue
		}
		s, _, err := r.c.snapshotOf(r.v, d)
		if err != nil || !s.mergeDone() {
			r.p.NoteAbout(ErrStillMerging, d.Name.String(), "the merge of %s goes on in the kernel", d.Name)
			continue
		}
		done := &Plan{Of: mergeOf(d, r.v.MergingInto(d))}
		r.p.Finish(plan.Do{What: fmt.Sprintf("put things in order after merging %s", d.Name), Run: func() error {
			return r.c.FinishMerge(context.Background(), done, nil)
		}})
		r.doomed[d] = true
	}
}

// layers takes out ORIGIN-dmsnap-real that is not, or no longer, needed.
func (r *recovery) layers() {
	for _, d := range r.v {
		if d.Role() != devices.RoleReal {
			continue
		}
		origin := r.v.OriginOver(d.Dev)
		switch {
		case origin == nil:
			r.remove(d)
		case !r.hasSnapshots(d.Dev) && !r.isMerge(origin):
			r.restore(origin, d)
		}
	}
}

// restore gives the origin its own table back, as the removal of its last
// snapshot does.
func (r *recovery) restore(origin, layer *devices.Device) {
	r.p.Finish(loadOwn(origin, layer), swapBack(origin))
	r.remove(layer)
}

// origins removes NAME-origin that has no snapshots and that nobody uses.
func (r *recovery) origins() {
	for _, d := range r.v {
		if d.Role() != devices.RoleOrigin || r.isMerge(d) {
			continue
		}
		base, ok := d.Base()
		if ok && r.hasSnapshots(base) {
			continue
		}
		if users, err := r.c.e.Users(d.Dev); err != nil || len(users) > 0 || d.OpenCount > 0 {
			r.p.Note("%s has no snapshot but is in use: it passes its I/O on", d.Name)
			continue
		}
		r.remove(d)
	}
}

func (r *recovery) isMerge(d *devices.Device) bool {
	_, merging := d.MergeArgs()
	return merging
}

func (r *recovery) hasSnapshots(base blockdev.DevNo) bool {
	for _, s := range r.v.SnapshotsOf(base) {
		if !r.doomed[s] {
			return true
		}
	}
	return false
}

func (r *recovery) remove(d *devices.Device) {
	r.doomed[d] = true
	r.p.Finish(plan.Remove{Device: d.Ref()})
}

// recordings removes recorded devices that nobody uses: who recorded was
// killed. Taking them down writes what the log still lacks.
func (r *recovery) recordings() {
	for _, d := range r.v {
		if d.Role() != devices.RoleRecording {
			continue
		}
		users, err := r.c.e.Users(d.Dev)
		if err != nil || len(users) > 0 || d.OpenCount > 0 {
			why := ""
			if len(users) > 0 {
				why = " (it is " + host.InWords(users) + ")"
			}
			r.p.NoteAbout(ErrUnfinished, "", "%s is being recorded, or still in use%s, and stays until that ends", d.Name, why)
			continue
		}
		r.remove(d)
	}
}

// nodes makes the nodes that are missing, of the devices that stay, and
// removes those under names that no device has: of a device that is gone, or
// of one of ours that was renamed.
func (r *recovery) nodes() {
	for name, dev := range r.c.e.Nodes() {
		d := r.v.ByDev(dev)
		if r.v.ByName(name) == nil && (d == nil || d.Role() != "") {
			r.p.Finish(plan.NoNode{Name: name})
		}
	}
	for _, d := range r.v {
		if d.Role() == "" || d.Role() == devices.RoleReal || r.doomed[d] || r.c.e.HasNode(d.Name, d.Dev) {
			continue
		}
		r.p.Finish(plan.Node{Device: d.Ref(), Name: d.Name})
	}
}
