package plan

// Running a plan, and undoing one that fails.

import (
	"context"
	"errors"
)

// Run executes a plan. When a step fails, or ctx is cancelled before one, the
// steps before it are undone in reverse and the error says so. Where one
// behind the point of no return fails, or an undo, the error wraps
// ErrIncomplete.
func (e *Engine) Run(ctx context.Context, p *Plan) error {
	if err := e.Lock(); err != nil { // held since the plan was made, except for a second run of it
		return err
	}
	defer e.Unlock()
	return e.RunLocked(ctx, p)
}

// RunLocked is Run under a lock that is held already, and stays.
func (e *Engine) RunLocked(ctx context.Context, p *Plan) error {
	if err := e.guard(p); err != nil {
		return err
	}
	if err := e.runSteps(ctx, p); err != nil {
		_ = e.leavePause() // which cannot have failed worse than this
		return err
	}
	failed := e.runParts(ctx, p.parts)
	if err := errors.Join(e.finish(p), e.leavePause()); err != nil {
		return errors.Join(failed, incomplete(p, err))
	}
	return failed
}
