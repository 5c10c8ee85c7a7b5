package dmctl

// An origin that is an active dm device, in use or not: its own table moves
// down into ORIGIN-dmsnap-real, and the device itself becomes a
// snapshot-origin over that. Nothing above it notices.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// layerable are the targets whose table may be live in two devices at once,
// as it is for a moment while the tables are swapped: those that keep no
// state of their own on the devices below or about them.
var layerable = map[string]bool{
	"linear": true, "striped": true, "zero": true, "error": true, "crypt": true, "thin": true,
	"delay": true, "flakey": true, "dust": true, "unstriped": true, "switch": true,
}

// checkMapped says whether a dm device can become an origin.
func (c *Controller) checkMapped(j *job, force bool) error {
	o := j.over
	switch {
	case !o.HasActive() || len(o.live) == 0:
		return refuse("%s has no live table", o.Name)
	case o.ReadOnly():
		return refuse("%s is read-only: it will not change, and needs no snapshot", o.Name)
	}
	for _, t := range o.live {
		if !layerable[t.Spec.Type()] {
			return refuse("%s has a target %s, which cannot be moved below a snapshot-origin while it is live", o.Name, t.Spec.Type())
		}
	}
	if err := checkIdle(o, force); err != nil {
		return err
	}
	name, err := nameWith(o.Name, realSuffix)
	if err != nil {
		return err
	}
	if j.view.byName(name) != nil {
		return &Error{"create", name.String(), fmt.Errorf("%w: run `dmsnapctl recover`", ErrExists)}
	}
	j.originName = name
	return nil
}

// planOnMapped inserts the layer, and the snapshot with it.
func (c *Controller) planOnMapped(p *Plan, j *job, snap *layer) error {
	real, err := newLayer(j.originName, roleReal, j.over.Dev)
	if err != nil {
		return err
	}
	c.addLayer(p, real, func() table.Table { return j.over.live }, fmt.Sprintf("that of %s", j.over.Name))
	c.addResume(p, real, wire.UdevHidden)
	c.addSnapshotLayer(p, j, snap, func() blockdev.DevNo { return real.dev })
	c.addSwap(p, j, snap, func() table.Table {
		return table.Single(j.size(), table.SnapshotOrigin{Device: real.dev.String()})
	})
	return nil
}
