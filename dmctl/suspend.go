package dmctl

// Suspending and resuming a snapshot.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// PlanSuspend plans to hold all I/O to a snapshot, after finishing the I/O in
// flight and freezing its file system. The origin is not suspended.
func (c *Controller) PlanSuspend(ctx context.Context, name string) (*Plan, error) {
	d, err := c.snapshotDevice(ctx, "suspend", name)
	if err != nil {
		return nil, err
	}
	p := &Plan{Title: fmt.Sprintf("suspend snapshot %s", d.Name)}
	if d.Suspended() {
		p.NoteAbout(ErrSuspended, d.Name.String(), "%s is suspended already", d.Name)
		return p, nil
	}
	p.Add(plan.Suspend{Device: d.Ref()})
	p.NoteAbout(ErrSuspended, d.Name.String(), "its I/O waits until it is resumed")
	return p, nil
}

// PlanResume plans to resume a snapshot.
func (c *Controller) PlanResume(ctx context.Context, name string) (*Plan, error) {
	d, err := c.snapshotDevice(ctx, "resume", name)
	if err != nil {
		return nil, err
	}
	if d.HasInactive() {
		return nil, &Error{Op: "resume", Name: name, Err: devices.RefuseFor(ErrUnfinished, "a table waits to be put in place")}
	}
	p := &Plan{Title: fmt.Sprintf("resume snapshot %s", d.Name)}
	if !d.Suspended() {
		p.Note("%s is not suspended", d.Name)
		return p, nil
	}
	p.Add(plan.Resume{Device: d.Ref(), Udev: plan.SnapshotUdev})
	return p, nil
}
