// The results of a file system checker in an exploration.

package crash

import "slices"

// Checks is what a checker said of the images that states show. It is all zero
// if there was no checker.
type Checks struct {
	Command string `json:"check_command"`
	View    View   `json:"check_view"`
	// CheckedStates counts distinct images per epoch, FailedChecks those that
	// the checker found damaged, and UndecidedChecks those without an answer:
	// the checker took too long or was killed.
	CheckedStates   uint64 `json:"checked_states"`
	FailedChecks    uint64 `json:"failed_checks"`
	UndecidedChecks uint64 `json:"undecided_checks"`
	// Runs is how often the checker ran. An image that occurs in several epochs
	// is checked once.
	Runs uint64 `json:"check_runs"`
	// Failures are the first states of failed and undecided checks.
	Failures []CheckFailure `json:"check_failures"`
}

// CheckFailure is a state whose image the checker did not find good.
type CheckFailure struct {
	State      string `json:"state"`
	Entry      int    `json:"entry"` // the last one that is at least partly in the state
	Store      int    `json:"store"` // index of the snapshot's store
	Undecided  bool   `json:"undecided"`
	ExitStatus int    `json:"exit_status"` // -1 if there is none
	Why        string `json:"why"`
}

// shownCheckFailures is the most failures in Failures.
const shownCheckFailures = 10

// AddFailure inserts a failure in log order, and keeps the first few.
func (c *Checks) AddFailure(f CheckFailure) {
	at := len(c.Failures)
	for at > 0 && durableOf(c.Failures[at-1].State) > durableOf(f.State) {
		at--
	}
	c.Failures = slices.Insert(c.Failures, at, f)
	c.Failures = c.Failures[:min(len(c.Failures), shownCheckFailures)]
}

// add adds the results of other epochs.
func (c *Checks) add(o *Checks) {
	c.CheckedStates += o.CheckedStates
	c.FailedChecks += o.FailedChecks
	c.UndecidedChecks += o.UndecidedChecks
	c.Runs += o.Runs
	for _, f := range o.Failures {
		c.AddFailure(f)
	}
}
