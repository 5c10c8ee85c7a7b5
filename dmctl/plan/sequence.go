// Steps one after the other, and the way back.

package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// runSteps executes the steps that are undone if one of them fails.
func (e *Engine) runSteps(ctx context.Context, p *Plan) error {
	for i := range p.steps[:p.commit] {
		err := ctx.Err()
		began := err == nil
		if began {
			began, err = e.step(p, i)
		}
		if err != nil {
			return e.unwind(p, i, began, err)
		}
	}
	return nil
}

// finish executes the steps after the point of no return.
func (e *Engine) finish(p *Plan) error {
	var errs []error
	for i := p.commit; i < len(p.steps); i++ {
		_, err := e.step(p, i)
		errs = append(errs, err)
		if err != nil && !p.independent {
			break
		}
	}
	return errors.Join(errs...)
}

// step executes step number i, and reports whether the step itself was tried.
func (e *Engine) step(p *Plan, i int) (began bool, err error) {
	if p.pause != nil && i == p.pause.first {
		if err := e.enterPause(); err != nil {
			return false, err
		}
	}
	if e.BeforeStep != nil {
		e.BeforeStep(p, i)
	}
	err = p.steps[i].do(e)
	if err == nil && p.pause != nil && i == p.pause.last {
		err = e.leavePause()
	}
	return true, err
}

// unwind undoes all steps before number failed, in reverse. began says that
// step failed was itself tried.
func (e *Engine) unwind(p *Plan, failed int, began bool, cause error) error {
	var undone []error
	changed := "nothing was changed"
	if s, lasts := p.steps[failed].Step.(lasting); lasts && began {
		changed = "undone, but perhaps " + s.leaves()
	}
	for i := failed - 1; i >= 0; i-- {
		if s, lasts := p.steps[i].Step.(lasting); lasts {
			changed = "undone, but " + s.leaves()
		}
		if err := p.steps[i].undo(e); err != nil {
			undone = append(undone, fmt.Errorf("undoing %q: %w", p.steps[i].says, err))
		}
	}
	if len(undone) == 0 {
		return fmt.Errorf("%s: %s: %w", p.Title, changed, cause)
	}
	return devices.Also(ErrIncomplete, "%s: %w; not all could be undone: %w", p.Title, cause, errors.Join(undone...))
}
