package check

import (
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// seen is an image and what the checker said of it.
type seen struct {
	state  string // the first one that shows it
	entry  int
	store  int
	states uint64 // that show it, counted per epoch
	done   bool
	outcome
}

// tally keeps the images seen, in the order of the log.
type tally struct {
	mu     sync.Mutex
	byKey  map[imageKey]*seen
	sorted []*seen
}

type imageKey struct {
	store int
	key   uint64
}

// mostSeen bounds the memory. With more images than this, one that comes again
// is checked again.
const mostSeen = 1 << 21

func newTally() *tally { return &tally{byKey: map[imageKey]*seen{}} }

// meet counts a state. It returns nil if its image was met before.
func (t *tally) meet(s *crash.Shown) *seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := imageKey{s.Store, s.Key}
	if known := t.byKey[k]; known != nil {
		known.states++
		return nil
	}
	fresh := &seen{state: s.State.String(), entry: s.State.Last(), store: s.Store, states: 1}
	if len(t.byKey) < mostSeen {
		t.byKey[k] = fresh
	}
	t.sorted = append(t.sorted, fresh)
	return fresh
}

// settle records the outcome for an image.
func (t *tally) settle(s *seen, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.done, s.outcome = true, o
}

// into copies the results into a report.
func (t *tally) into(c *crash.Checks) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sorted {
		if !s.done {
			continue // the run was interrupted
		}
		c.Runs++
		c.CheckedStates += s.states
		switch s.end {
		case bad:
			c.FailedChecks += s.states
		case undecided:
			c.UndecidedChecks += s.states
		default:
			continue
		}
		c.AddFailure(crash.CheckFailure{State: s.state, Entry: s.entry, Store: s.store, Undecided: s.end == undecided, ExitStatus: s.status, Why: s.why})
	}
}
