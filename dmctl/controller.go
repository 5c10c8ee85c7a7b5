package dmctl

// The controller, and what all verbs need of it.

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

// Plan is what will be done, step by step. It is made from a look at the
// kernel's state and changes nothing until it is run.
type Plan = plan.Plan

// Note is a remark on a plan.
type Note = plan.Note

// Machine is what a controller works on: device mapper and the machine around
// it. Package dmtest has one in memory.
type Machine = plan.Machine

// Controller manages snapshots of one machine. Its methods look at the kernel's
// state anew each time. From the making of a plan to the end of its run, Release
// or Close, other controllers wait.
//
// Clone, Reset, RemoveClones, ActivateClone, Create, Activate, Remove, Recover,
// Snapshots and SnapshotNamed are safe for concurrent use. Plans that are made
// by hand, and all else, are not.
type Controller struct {
	e    *plan.Engine
	turn chan struct{} // full while one of the verbs is at work
	mute bool          // the kernel reports no events
}

// Open is a controller of this machine. It opens device mapper's control node,
// which is made where it is missing. Errors wrap ErrNoDeviceMapper,
// ErrNoControlNode, ErrWrongControlNode or ErrPermission where one of these is
// the reason.
func Open() (*Controller, error) {
	m, err := plan.Open()
	if err != nil {
		return nil, err
	}
	return NewOn(m), nil
}

// NewOn is a controller of a machine that is open.
func NewOn(m Machine) *Controller {
	return &Controller{e: plan.NewEngine(m), turn: make(chan struct{}, 1)}
}

// inTurn makes a plan and runs it when no other verb is at work.
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

// Close closes the machine, and gives up plans that were not run.
func (c *Controller) Close() error { return c.e.Close() }

// Run executes a plan. When a step fails, or ctx is cancelled before one, the
// steps before it are undone in reverse and the error says so. Where one
// behind the point of no return fails, or an undo, the error wraps
// ErrIncomplete, and Recover does the rest.
func (c *Controller) Run(ctx context.Context, p *Plan) error { return c.e.Run(ctx, p) }

// Release gives up the plans that were made: other controllers go on, and what
// was planned may be out of date.
func (c *Controller) Release() { c.e.Unlock() }

// giveUp is Release where no plan came of it.
func (c *Controller) giveUp(err *error) {
	if *err != nil {
		c.Release()
	}
}

// TargetVersion is the version of one of the kernel's targets. With load, the
// kernel loads its module if need be; without, a target that is not loaded is
// an error that wraps ErrNoTarget.
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

// Wait waits for an event of any device since Arm, for at most a while; on
// kernels that report none, for that long. The end of ctx is no error.
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

// lookLocked is a look for plans: nobody else of us changes anything until they
// are run.
func (c *Controller) lookLocked() (devices.View, error) {
	if err := c.e.Lock(); err != nil {
		return nil, err
	}
	return devices.Look(c.e)
}

// snapshotDevice finds a snapshot that we made. One that is being merged is
// refused: nothing can be done to it until that is over.
func (c *Controller) snapshotDevice(op, name string) (*devices.Device, error) {
	d, err := c.anySnapshotDevice(op, name)
	if err == nil && !d.IsOurSnapshot() {
		return nil, &Error{Op: op, Name: name, Err: devices.ErrNotOurs}
	}
	return d, err
}

// anySnapshotDevice is snapshotDevice for snapshots that others made, too.
func (c *Controller) anySnapshotDevice(op, name string) (*devices.Device, error) {
	n, err := devices.KnownName(name)
	if err != nil {
		return nil, err
	}
	v, err := c.lookLocked()
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

// lastingUsers are the users of a device, and programs that have it open for
// longer than the moment that udev takes for a look after each change.
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
