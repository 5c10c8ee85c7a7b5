package dmctl

// Removing the devices over an origin, with its last snapshot.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// dropOrigin removes NAME-origin when nobody uses it any more. If it is in use,
// it passes its I/O on, and the next snapshot of the device uses it again.
func (c *Controller) dropOrigin(p *Plan, origin *devices.Device) {
	users, err := c.lastingUsers(origin)
	if err != nil || len(users) > 0 {
		p.NoteAbout(ErrUnfinished, "", "%s is in use and stays: it passes its I/O on, and the next snapshot of the device uses it again", origin.Name)
		return
	}
	p.Finish(plan.Remove{Device: origin.Ref()})
}

// loadOwn loads an origin's own table, kept by the layer below it, into the
// inactive slot.
func loadOwn(origin, layer *devices.Device) plan.Step {
	return plan.Load{Device: origin.Ref(), Table: plan.Table{Of: layer.Ref()}, What: "its own"}
}

// swapBack makes the waiting table live. If that fails, the device keeps its
// old table and works as before.
func swapBack(origin *devices.Device) plan.Step {
	return plan.Swap{Device: origin.Ref(), Old: plan.Table{Known: origin.Live}, Udev: devices.UdevPrimary}
}
