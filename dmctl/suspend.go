package dmctl

// Holding a snapshot's I/O, and letting it go on.

import (
	"context"
	"fmt"
)

// PlanSuspend plans to hold all I/O to a snapshot, after finishing what is in
// flight and freezing a file system on it. The origin is not held.
func (c *Controller) PlanSuspend(_ context.Context, name string) (*Plan, error) {
	d, err := c.snapshotDevice("suspend", name)
	if err != nil {
		return nil, err
	}
	p := &Plan{Title: fmt.Sprintf("suspend snapshot %s", d.Name)}
	if d.Suspended() {
		p.note("%s is suspended already", d.Name)
		return p, nil
	}
	p.add(fmt.Sprintf("suspend %s", d.Name), func() error { return c.suspend(d.Name, 0) }, nil)
	p.note("its I/O waits until `dmsnapctl resume %s`, or until `dmsnapctl recover`", d.Name)
	return p, nil
}

// PlanResume plans to let I/O to a snapshot go on.
func (c *Controller) PlanResume(_ context.Context, name string) (*Plan, error) {
	d, err := c.snapshotDevice("resume", name)
	if err != nil {
		return nil, err
	}
	if d.HasInactive() {
		return nil, &Error{"resume", name, refuse("a table waits to be put in place: run `dmsnapctl recover`")}
	}
	p := &Plan{Title: fmt.Sprintf("resume snapshot %s", d.Name)}
	if !d.Suspended() {
		p.note("%s is not suspended", d.Name)
		return p, nil
	}
	p.add(fmt.Sprintf("resume %s", d.Name), func() error { return c.resume(d.Name, snapshotUdev) }, nil)
	return p, nil
}
