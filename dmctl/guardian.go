package dmctl

// Lending the program to itself as a guardian: see package plan.

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// Guarded is what came of standing guard over suspended devices.
type Guarded = plan.Guarded

// BeGuardian is called by a program first of all, before anything else is
// made of its arguments. It returns nil unless the program was started by
// another run of it to stand guard; then it has done so, and the program is to
// say what came of it and to end. Without that call, no devices are suspended.
func BeGuardian() *Guarded { return plan.BeGuardian(recoverOn) }

// recoverOn recovers what a dead run left on a machine, as soon as nobody else
// of us is at work.
func recoverOn(ctx context.Context, m Machine) error {
	c := NewOn(m)
	if err := c.e.LockUntil(ctx); err != nil {
		return err
	}
	return c.Recover(ctx)
}
