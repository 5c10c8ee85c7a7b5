package plan

// Plans that run concurrently. A failure undoes only the plan that failed.

import (
	"context"
	"fmt"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Part adds a plan that runs after this plan's steps and before those that
// finish it, concurrently with other parts. It has no pause. If it fails, only
// this part is undone, and its error is in PartErrors.
func (p *Plan) Part(name string, part *Plan) {
	p.parts = append(p.parts, namedPlan{name, part})
	p.independent = true
}

type namedPlan struct {
	name string
	*Plan
}

// PartError is the error of one failed part of a plan.
type PartError struct {
	Name string
	Err  error
}

func (e *PartError) Error() string { return e.Err.Error() }
func (e *PartError) Unwrap() error { return e.Err }

// PartErrors lists the failed parts of a plan, in the plan's order.
type PartErrors struct {
	Of     int // number of parts
	Failed []*PartError
}

// shownParts limits how many parts are named in one line.
const shownParts = 3

func (e *PartErrors) Error() string {
	if e.Of == 1 {
		return e.Failed[0].Error()
	}
	text := fmt.Sprintf("%d of %d failed", len(e.Failed), e.Of)
	for i, f := range e.Failed {
		if i == shownParts {
			return fmt.Sprintf("%s; and %d more", text, len(e.Failed)-shownParts)
		}
		text += "; " + f.Error()
	}
	return text
}

func (e *PartErrors) Unwrap() []error {
	out := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		out[i] = f
	}
	return out
}

// runParts runs the parts of a plan, as many at once as the machine can use. A
// panic in one part panics the plan.
func (e *Engine) runParts(ctx context.Context, parts []namedPlan) error {
	if len(parts) == 0 {
		return nil
	}
	errs := make([]error, len(parts))
	next := make(chan int)
	var died any
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range min(e.Parallel(), len(parts)) {
		wait.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					mu.Lock()
					died = p
					mu.Unlock()
					for range next { // others must not wait for this goroutine forever
					}
				}
			}()
			for i := range next {
				mu.Lock()
				dead := died != nil
				mu.Unlock()
				if !dead {
					errs[i] = e.runPart(ctx, parts[i].Plan)
					e.Advance()
				}
			}
		})
	}
	for i := range parts {
		next <- i
	}
	close(next)
	wait.Wait()
	if died != nil {
		panic(died)
	}
	failed := &PartErrors{Of: len(parts)}
	for i, err := range errs {
		if err != nil {
			failed.Failed = append(failed.Failed, &PartError{parts[i].name, err})
		}
	}
	if len(failed.Failed) == 0 {
		return nil
	}
	return failed
}

// runPart is RunLocked for a plan without a pause.
func (e *Engine) runPart(ctx context.Context, p *Plan) error {
	if err := e.runSteps(ctx, p); err != nil {
		return err
	}
	if err := e.finish(p); err != nil {
		return incomplete(p, err)
	}
	return nil
}

func incomplete(p *Plan, err error) error {
	return devices.Also(ErrIncomplete, "%s: done, but cleanup is incomplete: %w", p.Title, err)
}
