package dmctl

// Running the program as its own guardian: see package plan.

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// Guarded is the result of guarding suspended devices.
type Guarded = plan.Guarded

// BeGuardian must be called first in a program, before it reads its arguments.
// It returns nil unless another run of the program started this one as a
// guardian. In that case it guards until the end, and the program should report
// the result and exit. In a program that does not call it, no plan suspends a
// device.
func BeGuardian() *Guarded { return plan.BeGuardian(recoverOn) }

// recoverOn recovers what a dead run left on a machine, as soon as no other
// controller is at work.
func recoverOn(ctx context.Context, m Machine) error {
	c := NewOn(m)
	if err := c.e.LockUntil(ctx); err != nil {
		return err
	}
	return c.Recover(ctx)
}
