package dmctl

// The base of clones, what is checked about it, and the tables over it.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// cloning is a checked base and the parameters of its clones.
type cloning struct {
	base  host.Disk
	path  string // of the base, as requested
	args  table.SnapshotArgs
	leaky bool
	force bool
	notes []string
}

func (k *cloning) addNotes(p *Plan) {
	for _, n := range k.notes {
		p.Note("%s", n)
	}
}

// openCloning opens the base of clones and checks that nobody writes to it.
func (c *Controller) openCloning(ctx context.Context, path string, force bool) (*cloning, error) {
	if err := c.e.Lock(ctx); err != nil {
		return nil, err
	}
	base, err := c.e.OpenBase(path)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	k := &cloning{base: base, path: path, force: force}
	if err := cow.CheckDeviceBytes(base.Bytes()); err != nil {
		return nil, devices.Refuse("base %s has %s, %v", path, count.Of(base.Bytes(), "byte"), err)
	}
	if err := c.checkUnwritten(k); err != nil {
		return nil, err
	}
	if c.e.FileOf(base.Dev()) != "" {
		return k, nil // a read-only loop device is not part of another stack
	}
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	if part := v.PartOf(base.Dev()); part != "" {
		return nil, devices.Refuse("base %s is %s", path, part)
	}
	return k, nil
}

// checkUnwritten refuses a base that somebody may write to: nothing is copied
// for its clones, so they would change.
func (c *Controller) checkUnwritten(k *cloning) error {
	why := ""
	if !k.base.ReadOnly() {
		why = "it is not read-only"
	} else if written, err := c.e.Written(k.path); err != nil {
		return fmt.Errorf("base: %w", err)
	} else if written {
		why = "a program has it open for writing, or a writable loop device uses it"
	}
	if why == "" {
		return nil
	}
	k.notes = append(k.notes, fmt.Sprintf("base %s can be written to: a write changes its clones", k.path))
	return devices.UnlessForced(k.force, "base %s can be written to, which would change its clones: %s", k.path, why)
}

// cloneArgs determines the arguments of the clones' tables.
func (c *Controller) cloneArgs(k *cloning, f features) error {
	version, err := c.TargetVersion(gate.SnapshotTarget, true)
	if err != nil {
		return err
	}
	verdict, _ := gate.Judge(version)
	k.leaky = verdict != gate.Fixed
	var notes []string
	k.args, notes, err = snapshotArgs(version, f)
	k.notes = append(k.notes, notes...)
	return err
}

// checkNew reports whether clones can be made under these names. It asks for
// each of them: a list of all devices grows with their number.
func (c *Controller) checkNew(names ...devices.Name) error {
	for _, n := range names {
		_, err := c.e.Info(n)
		if devices.IsGone(err) {
			continue
		}
		if err == nil {
			err = devices.ErrTaken
		}
		return &Error{Op: "clone", Name: n.String(), Err: err}
	}
	if err := c.e.NodesFree(names...); err != nil {
		return &Error{Op: "clone", Name: names[0].String(), Err: err}
	}
	return nil
}

func (k *cloning) says(store string) string {
	return fmt.Sprintf("snapshot of %s (%v) with chunks of %d bytes, store %s on %s", k.path, k.base.Dev(), k.args.ChunkSize*cow.SectorSize, k.args.Store, store)
}

// tableOn returns a clone's table on a store that will be open by then.
func (k *cloning) tableOn(h *plan.Handle) func() table.Table {
	return func() table.Table {
		args := k.args
		args.Origin, args.COW = k.base.Dev().String(), h.Disk.Dev().String()
		return table.Single(cow.Sectors(k.base.Bytes()/cow.SectorSize), table.Snapshot(args))
	}
}

// jobOn checks and claims an open store. The loop devices of files are no part
// of another stack: the base's is read-only, the store's has just been made. So
// the thousandth clone is activated without a look at all others.
func (c *Controller) jobOn(k *cloning, store host.Disk) (*job, error) {
	j := &job{origin: k.base, cow: store, force: k.force, args: k.args}
	if c.e.FileOf(k.base.Dev()) == "" || c.e.FileOf(store.Dev()) == "" {
		v, err := devices.Look(c.e)
		if err != nil {
			return nil, err
		}
		j.view = v
	}
	if k.base.Dev() == store.Dev() {
		return nil, devices.Because(ErrOneDevice, "%s is both base and store", store.Path())
	}
	if err := j.checkRoles(); err != nil {
		return nil, err
	}
	if err := c.takeCOW(j); err != nil {
		return nil, err
	}
	return j, j.checkSizes()
}

// addOn appends the steps that make a clone on a claimed store.
func (k *cloning) addOn(p *Plan, n devices.Name, store host.Disk) error {
	d, err := devices.NewRef(n, devices.RoleClone, k.base.Dev())
	if err != nil {
		return err
	}
	live := k.tableOn(&plan.Handle{Disk: store})
	p.Add(plan.Create{Device: d},
		plan.Load{Device: d, Table: plan.Table{Later: live}, New: true, Releases: []host.Disk{store}, What: k.says(store.Path())},
		plan.Flush{Disk: store},
		plan.Resume{Device: d, Udev: plan.SnapshotUdev},
		plan.Node{Device: d, Name: d.Name})
	return nil
}
