package dmctl

// Plans: the only place that knows the order of operations.

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// step is one operation of a plan, all or nothing. An undo of nil says that
// there is nothing to take back. What cannot be taken back, leaves says; such
// a step may also fail half-way.
type step struct {
	says   string
	do     func() error
	undo   func() error
	leaves string
}

// Plan is what will be done, step by step. It is made from a look at the
// kernel's state and changes nothing until it is run.
type Plan struct {
	Title string
	// Notes are what the user should know before it is run.
	Notes []string
	steps []step
	// commit is the number of steps that are undone when one of them fails.
	// The steps behind it only finish what cannot be taken back.
	commit int
	// independent has the steps behind the point of no return tried whatever
	// became of those before them.
	independent bool
	// pause are the steps between which devices stay suspended, nil for none.
	pause *pause
	// merging is the merge that the plan begins or joins, nil for others.
	merging *merging
}

// add appends a step that is undone if a later one fails.
func (p *Plan) add(says string, do, undo func() error) {
	p.steps = append(p.steps, step{says: says, do: do, undo: undo})
	p.commit = len(p.steps)
}

// finish appends a step behind the point of no return.
func (p *Plan) finish(says string, do func() error) {
	p.steps = append(p.steps, step{says: says, do: do})
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// Steps says in words what the plan does, in order.
func (p *Plan) Steps() []string {
	says := make([]string, len(p.steps))
	for i, s := range p.steps {
		says[i] = s.says
	}
	return says
}

// String is the plan as --dry-run prints it.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", p.Title)
	for i, s := range p.steps {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, s.says)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

// beforeStep is called before each step of each plan; test builds stop here.
var beforeStep = func(plan *Plan, number int) {}

// Run executes a plan. When a step fails, or ctx is cancelled before one, the
// steps before it are undone in reverse and the error says so. Where one
// behind the point of no return fails, Recover does the rest.
func (c *Controller) Run(ctx context.Context, p *Plan) error {
	if err := c.lock(); err != nil { // held since the plan was made, but for a second run of it
		return err
	}
	defer c.unlock()
	return c.run(ctx, p)
}

// run executes a plan under a lock that is held already.
func (c *Controller) run(ctx context.Context, p *Plan) error {
	for i := range p.steps[:p.commit] {
		err := ctx.Err()
		began := err == nil
		if began {
			began, err = c.do(p, i)
		}
		if err != nil {
			err = p.unwind(i, began, err)
			_ = c.leavePause() // which cannot have failed worse than this
			return err
		}
	}
	var errs []error
	for i := p.commit; i < len(p.steps); i++ {
		_, err := c.do(p, i)
		errs = append(errs, err)
		if err != nil && !p.independent {
			break
		}
	}
	errs = append(errs, c.leavePause())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: done but for some of the tidying, which `dmsnapctl recover` finishes: %w", p.Title, err)
	}
	return nil
}

// do executes step number i, and says whether it was tried itself.
func (c *Controller) do(p *Plan, i int) (began bool, err error) {
	if p.pause != nil && i == p.pause.first {
		if err := c.enterPause(p.pause); err != nil {
			return false, err
		}
	}
	beforeStep(p, i)
	err = p.steps[i].do()
	if err == nil && p.pause != nil && i == p.pause.last {
		err = c.leavePause()
	}
	return true, err
}

// unwind undoes the steps before number failed, in reverse, all of them. began
// tells that number failed was tried itself.
func (p *Plan) unwind(failed int, began bool, cause error) error {
	var undone []error
	changed := "nothing was changed"
	if left := p.steps[failed].leaves; began && left != "" {
		changed = "undone, but perhaps " + left
	}
	for i := failed - 1; i >= 0; i-- {
		if left := p.steps[i].leaves; left != "" {
			changed = "undone, but " + left
		}
		if undo := p.steps[i].undo; undo != nil {
			if err := undo(); err != nil {
				undone = append(undone, fmt.Errorf("undoing %q: %w", p.steps[i].says, err))
			}
		}
	}
	if len(undone) == 0 {
		return fmt.Errorf("%s: %s: %w", p.Title, changed, cause)
	}
	return fmt.Errorf("%s: %w; not all could be undone, run `dmsnapctl recover`: %w", p.Title, cause, errors.Join(undone...))
}
