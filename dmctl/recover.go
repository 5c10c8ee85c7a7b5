package dmctl

// Finding what a killed run left, and finishing or undoing it. For devices the
// kernel holds all that is needed: their UUIDs say what they are for, and their
// tables show how far the run had come. A reboot leaves none of them. Intents
// (intents.go) and notes of new store files (clonefiles.go) are in the run
// directory, and say what the kernel does not know. A reboot takes the notes but
// leaves the files: recoverstores.go finds those.

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Recover cleans up after a killed run: PlanRecover and Run.
func (c *Controller) Recover(ctx context.Context) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanRecover(ctx) })
}

// PlanRecover looks for what a killed run left. If it left nothing, the plan
// has no steps. Unfinished work is undone, unless users of the origin already
// rely on it: a layer in use is removed as Remove would do it, and a merge that
// has begun continues.
//
// Every step is tried, even if earlier ones failed. The most urgent come first:
// held I/O is released first.
func (c *Controller) PlanRecover(ctx context.Context) (*Plan, error) {
	v, err := c.lookLocked(ctx)
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
	settled map[*devices.Device]bool // needs no more work on its tables
	users   map[string]storeUser     // of files; nil until they are asked for
}

// restarts looks for a failed merge that was about to be restarted. It is
// undone before the store was handed back to the snapshot, finished after that.
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
			// The snapshot has its store back.
			r.p.Finish(plan.Load{Device: o.Ref(), Table: plan.Table{Known: origin}, What: gate.OriginTarget},
				plan.Resume{Device: o.Ref(), Udev: devices.UdevPrimary, Else: origin})
		}
	}
}

func (r *recovery) clear(d *devices.Device) {
	d.Waiting = nil
	d.Flags &^= devices.FlagInactive
	r.p.Finish(plan.Clear{Device: d.Ref()})
}

// waitingTables clears tables loaded for a swap that never happened, so that no
// resume makes them live. It keeps the error table of a snapshot whose merge
// has begun: that table must become live.
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

// concernsUs reports whether d is ours, or another owner's device that we made
// an origin.
func (r *recovery) concernsUs(d *devices.Device) bool {
	return d.Role() != "" || r.v.Real(d) != nil || r.isOurTable(d)
}

// isOurTable reports whether the table waiting in d belongs to one of our
// plans. On our own devices, every table does. On another owner's device, these
// do: a snapshot-origin or snapshot-merge on one of our layers, the layer's own
// table on its way back, or a copy of the live table.
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

// snapshots removes unfinished snapshots: those with a temporary name, without a
// live table, or whose origin has no device to write through.
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

// merges finishes merges that are done.
func (r *recovery) merges() {
	for _, d := range r.v {
		if r.v.MergingInto(d) == nil || r.settled[d] {
			continue
		}
		s, _, err := r.c.snapshotOf(r.v, d)
		if err != nil || !s.mergeDone() {
			r.p.NoteAbout(ErrStillMerging, d.Name.String(), "the merge of %s continues in the kernel", d.Name)
			continue
		}
		done := &Plan{Of: mergeOf(d, r.v.MergingInto(d))}
		r.p.Finish(plan.Do{What: fmt.Sprintf("put things in order after merging %s", d.Name), Run: func() error {
			return r.c.FinishMerge(context.Background(), done, nil)
		}})
		r.doomed[d] = true
	}
}

// layers removes each ORIGIN-dmsnap-real that is not, or no longer, needed.
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

// origins removes each NAME-origin that has no snapshots and no users.
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

// recordings removes recorded devices that nobody uses: their recorder was
// killed. Taking them down makes the kernel write the rest of the log.
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

// nodes makes the missing nodes of devices that stay, and removes those by
// which a killed run opened devices, and nodes under names that no device has:
// left by a removed device, or by a renamed device of ours.
func (r *recovery) nodes() {
	for _, name := range r.c.e.LeftNodes() {
		r.p.Finish(plan.NoNode{Name: name})
	}
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
