package dmctl

// The controller: what the command line calls.

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// Controller manages snapshots through one open control node. Its methods
// look at the kernel's state anew each time. From the making of a plan to the
// end of its run, or Close, other controllers wait. A Controller is not for
// concurrent use.
type Controller struct {
	k      kernel
	h      host
	sleep  func(time.Duration)
	locked bool
	pinned bool         // memory is locked
	paused func() error // ends the pause that a plan is in
}

func newController(k kernel, h host) *Controller {
	return &Controller{k: k, h: h, sleep: time.Sleep}
}

// Close closes the control node, and gives up plans that were not run.
func (c *Controller) Close() error {
	c.unlock()
	return c.k.Close()
}

// Snapshot targets live in one module and have versions of their own.
const targetSnapshot = "snapshot"

// TargetVersion is the version of one of the kernel's targets. With load, the
// kernel loads its module if need be; without, a target that is not loaded is
// an error that wraps ErrNoTarget.
func (c *Controller) TargetVersion(target string, load bool) (gate.Version, error) {
	targets, err := c.k.Targets()
	if err != nil {
		return gate.Version{}, &Error{"list the targets of", "device mapper", err}
	}
	for _, t := range targets {
		if t.Name == target {
			return t.Version, nil
		}
	}
	if !load {
		return gate.Version{}, &Error{"find target", target, ErrNoTarget}
	}
	v, err := c.k.LoadTarget(target)
	if err != nil {
		return gate.Version{}, &Error{"load target", target, fmt.Errorf("%w (%w)", ErrNoTarget, err)}
	}
	return v, nil
}

// isGone says that a device vanished between two looks at it.
func isGone(err error) bool { return errors.Is(err, syscall.ENXIO) }

func isBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }
