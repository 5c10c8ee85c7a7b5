package dmctl

// The controller, and what all operations need from it.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// Plan lists what will be done, step by step. It is made from the kernel's
// current state and changes nothing until it is run.
type Plan = plan.Plan

// Note is a remark on a plan.
type Note = plan.Note

// Machine is what a controller works on: device mapper and the machine around
// it. Package dmtest has an in-memory one.
type Machine = plan.Machine

// Controller manages the snapshots of one machine. Its methods read the
// kernel's state each time. A plan locks out other controllers until its run
// ends, or until Release or Close.
//
// Clone, Reset, RemoveClones, ActivateClone, Create, Activate, Grow, Remove,
// Recover, Snapshots and SnapshotNamed are safe for concurrent use. All other methods,
// including the Plan methods, are not.
type Controller struct {
	e    *plan.Engine
	turn chan struct{} // full while an operation is running
	mute bool          // the kernel reports no events
}

// Open returns a controller of this machine. It opens device mapper's control
// node, and makes the node if it is missing. Errors wrap ErrNoDeviceMapper,
// ErrNoControlNode, ErrWrongControlNode or ErrPermission if one of these is the
// reason.
func Open() (*Controller, error) {
	m, err := plan.Open()
	if err != nil {
		return nil, err
	}
	return NewOn(m), nil
}

// NewOn returns a controller of an open machine.
func NewOn(m Machine) *Controller {
	return &Controller{e: plan.NewEngine(m), turn: make(chan struct{}, 1)}
}

// inTurn makes a plan and runs it when no other operation is running.
func (c *Controller) inTurn(ctx context.Context, make func() (*Plan, error)) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p, err := make()
	if err != nil {
		return err
	}
	return c.Run(ctx, p)
}

// Close closes the machine and drops plans that were not run.
func (c *Controller) Close() error { return c.e.Close() }

// Run executes a plan. If a step fails, or ctx is cancelled between steps, Run
// undoes the completed steps in reverse order and returns an error that says
// so. If an undo fails, or a step after the point of no return, the error wraps
// ErrIncomplete, and Recover does the rest.
func (c *Controller) Run(ctx context.Context, p *Plan) error { return c.e.Run(ctx, p) }

// Release drops plans that were not run. Other controllers may continue, so the
// plans may become outdated.
func (c *Controller) Release() { c.e.Unlock() }

// giveUp calls Release if planning failed.
func (c *Controller) giveUp(err *error) {
	if *err != nil {
		c.Release()
	}
}

// TargetVersion returns the version of a kernel target. With load, the kernel
// loads its module if necessary; without, a target that is not loaded is an
// error that wraps ErrNoTarget.
func (c *Controller) TargetVersion(target string, load bool) (gate.Version, error) {
	targets, err := c.e.Targets()
	if err != nil {
		return gate.Version{}, &Error{Op: "list the targets of", Name: "device mapper", Err: err}
	}
	for _, t := range targets {
		if t.Name == target {
			return t.Version, nil
		}
	}
	if !load {
		return gate.Version{}, &Error{Op: "find target", Name: target, Err: ErrNoTarget}
	}
	v, err := c.e.LoadTarget(target)
	if err != nil {
		return gate.Version{}, &Error{Op: "load target", Name: target, Err: fmt.Errorf("%w (%w)", ErrNoTarget, err)}
	}
	return v, nil
}

// Arm makes the next Wait wait for events after this call.
func (c *Controller) Arm() error {
	err := c.e.Arm()
	c.mute = errors.Is(err, devices.ErrNoPoll)
	if err != nil && !c.mute {
		return &Error{Op: "wait for events of", Name: "device mapper", Err: err}
	}
	return nil
}

// waitStep bounds how long Wait takes to notice that ctx has ended.
const waitStep = 100 * time.Millisecond

// Wait waits until any device has an event after Arm, or until atMost has
// passed. Kernels that report no events make it wait that long. The end of ctx
// is not an error.
func (c *Controller) Wait(ctx context.Context, atMost time.Duration) error {
	for end := time.Now().Add(atMost); ctx.Err() == nil; {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		step := min(left, waitStep)
		if c.mute {
			c.e.Sleep(step)
			continue
		}
		told, err := c.e.Poll(int(max(step.Milliseconds(), 1)))
		if err != nil {
			return &Error{Op: "wait for events of", Name: "device mapper", Err: err}
		}
		if told {
			return nil
		}
	}
	return nil
}

// lookLocked reads the devices for a plan and locks: no other controller
// changes anything until the plan is run.
func (c *Controller) lookLocked(ctx context.Context) (devices.View, error) {
	if err := c.e.Lock(ctx); err != nil {
		return nil, err
	}
	return devices.Look(c.e)
}

// snapshotDevice finds a snapshot that we made. It refuses one that is being
// merged: nothing can be done to it until the merge ends.
func (c *Controller) snapshotDevice(ctx context.Context, op, name string) (*devices.Device, error) {
	d, err := c.anySnapshotDevice(ctx, op, name)
	if err == nil && !d.IsOurSnapshot() {
		return nil, &Error{Op: op, Name: name, Err: devices.ErrNotOurs}
	}
	return d, err
}

// anySnapshotDevice is snapshotDevice that also accepts snapshots made by
// others.
func (c *Controller) anySnapshotDevice(ctx context.Context, op, name string) (*devices.Device, error) {
	n, err := devices.KnownName(name)
	if err != nil {
		return nil, err
	}
	v, err := c.lookLocked(ctx)
	if err != nil {
		return nil, err
	}
	d := v.ByName(n)
	switch {
	case d == nil:
		err = ErrNotFound
	case !d.IsOurSnapshot() && !isSnapshot(d):
		err = devices.ErrNoSnapshot
	case v.MergingInto(d) != nil:
		err = devices.RefuseFor(ErrMerging, "it is being merged")
	}
	if err != nil {
		return nil, &Error{Op: op, Name: name, Err: err}
	}
	return d, nil
}

// lastingUsers returns the users of a device, including programs that keep it
// open for longer than udev's brief look after each change.
func (c *Controller) lastingUsers(d *devices.Device) ([]host.User, error) {
	for try := 1; ; try++ {
		users, err := c.e.Users(d.Dev)
		if err != nil || len(users) > 0 {
			return users, err
		}
		info, err := c.e.Info(d.Name)
		if err != nil || info.OpenCount == 0 {
			return nil, err
		}
		if try == plan.RemoveTries {
			return []host.User{{What: "open by a program"}}, nil
		}
		c.e.Sleep(plan.RemovePause)
	}
}

func isSnapshot(d *devices.Device) bool {
	_, is := d.SnapshotArgs()
	return is
}
