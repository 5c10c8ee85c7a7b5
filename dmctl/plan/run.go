package plan

// Running a plan, and undoing one that fails.

import (
	"context"
	"errors"
)

// Run executes a plan. If a step fails, or ctx is cancelled between steps, Run
// undoes the completed steps in reverse order and returns an error that says
// so. If an undo fails, or a step after the point of no return, the error wraps
// ErrIncomplete.
func (e *Engine) Run(ctx context.Context, p *Plan) error {
	if err := e.Lock(ctx); err != nil { // held since the plan was made, except for a second run of it
		return err
	}
	defer e.Unlock()
	return e.RunLocked(ctx, p)
}

// RunLocked is Run under a lock that is already held, and stays held.
func (e *Engine) RunLocked(ctx context.Context, p *Plan) error {
	if err := e.guard(p); err != nil {
		return err
	}
	if err := e.runSteps(ctx, p); err != nil {
		_ = e.leavePause() // a failure here is no worse than err
		return err
	}
	failed := e.runParts(ctx, p.parts)
	if err := errors.Join(e.finish(p), e.leavePause()); err != nil {
		return errors.Join(failed, incomplete(p, err))
	}
	return failed
}
