// What a checker of file systems found in an exploration.

package crash

import "slices"

// Checks is what a checker said of the images that states show; all zero where
// there was none.
type Checks struct {
	Command string `json:"check_command"`
	View    View   `json:"check_view"`
	// CheckedStates counts distinct images, each epoch by itself, FailedChecks
	// those that the checker found damaged, and UndecidedChecks those of which
	// it said nothing: it took too long or was killed.
	CheckedStates   uint64 `json:"checked_states"`
	FailedChecks    uint64 `json:"failed_checks"`
	UndecidedChecks uint64 `json:"undecided_checks"`
	// Runs is how often the checker ran: an image that several epochs have is
	// checked once.
	Runs uint64 `json:"check_runs"`
	// Failures are the first states of failed and undecided checks.
	Failures []CheckFailure `json:"check_failures"`
}

// CheckFailure is a state whose image the checker did not find good.
type CheckFailure struct {
	State      string `json:"state"`
	Entry      int    `json:"entry"` // the last one of which the state holds something
	Store      int    `json:"store"` // whose snapshot it is
	Undecided  bool   `json:"undecided"`
	ExitStatus int    `json:"exit_status"` // -1 where there is none
	Why        string `json:"why"`
}

// shownCheckFailures bounds Failures.
const shownCheckFailures = 10

// AddFailure adds a failure, in its place in the log, as long as there are few.
func (c *Checks) AddFailure(f CheckFailure) {
	at := len(c.Failures)
	for at > 0 && durableOf(c.Failures[at-1].State) > durableOf(f.State) {
		at--
	}
	c.Failures = slices.Insert(c.Failures, at, f)
	c.Failures = c.Failures[:min(len(c.Failures), shownCheckFailures)]
}

// add adds what was found in other epochs.
func (c *Checks) add(o *Checks) {
	c.CheckedStates += o.CheckedStates
	c.FailedChecks += o.FailedChecks
	c.UndecidedChecks += o.UndecidedChecks
	c.Runs += o.Runs
	for _, f := range o.Failures {
		c.AddFailure(f)
	}
}
