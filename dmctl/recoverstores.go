package dmctl

// Finding the files in a directory that no clone uses: after a reboot, which
// loses the notes, or after a run killed on another machine.

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// PlanRecoverStores is PlanRecover that also looks into a directory of stores.
// It deletes files that no clone has ever used, and notes each store that no
// device uses now.
func (c *Controller) PlanRecoverStores(ctx context.Context, dir string) (p *Plan, err error) {
	defer c.giveUp(&err)
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if p, err = c.PlanRecover(ctx); err != nil {
		return nil, err
	}
	names, err := c.e.ListDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for stores: %w", err)
	}
	active, noted, err := c.filesInHand()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		id, err := c.e.FileID(path)
		if err != nil || active[id] || noted[path] {
			continue
		}
		switch {
		case isTempName(name):
			p.Finish(plan.DeleteFile{Path: path, ID: id})
		case strings.HasSuffix(name, storeSuffix):
			p.Note("%s is a store without an active clone", path)
		}
	}
	return p, nil
}

// filesInHand returns the files under loop devices of snapshots, and the files
// that a recovery plan takes care of.
func (c *Controller) filesInHand() (active map[host.FileID]bool, noted map[string]bool, err error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, nil, err
	}
	active, noted = map[host.FileID]bool{}, map[string]bool{}
	for _, d := range v {
		for _, t := range []table.Table{d.Live, d.Waiting} {
			s, is := devices.SoleSpec(t).(table.Snapshot)
			dev, ok := devices.ParseDev(s.COW)
			if !is || !ok {
				continue
			}
			if id, err := c.e.FileID(c.e.FileOf(dev)); err == nil {
				active[id] = true
			}
		}
	}
	notes, err := c.e.Notes()
	for _, n := range readNotes(notes) {
		for _, f := range n.Files {
			noted[f.Temp+f.Doomed] = true
		}
	}
	return active, noted, err
}
