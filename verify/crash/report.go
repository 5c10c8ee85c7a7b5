// The report of an exploration.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// Schema names the JSON form of a Report.
const Schema = "dmsnapctl.crash-explore/1"

// Report is what Explore found.
type Report struct {
	Schema  string `json:"schema"`
	Entries int    `json:"entries"`
	Commits int    `json:"commits"`
	// ExploredEntries is up to where crashes were explored: all entries,
	// unless the exploration was interrupted.
	ExploredEntries int `json:"explored_entries"`

	// States counts the states that were enumerated, before equal ones are
	// collapsed. The others count those of them in which a store leaks; does
	// not parse or names a chunk twice; or gives back something else than
	// the frozen image. Stale ones hold records behind the terminator, that
	// torn commits leave on every kernel; abandoned ones were invalidated by
	// the kernel, and are not judged further.
	States            uint64 `json:"states"`
	LeakingStates     uint64 `json:"leaking_states"`
	CorruptStates     uint64 `json:"corrupt_states"`
	BrokenImageStates uint64 `json:"broken_image_states"`
	StaleStates       uint64 `json:"stale_states"`
	AbandonedStates   uint64 `json:"invalid_states"`
	// LostWriteStates are those in which something that the layer above
	// flushed before one of the CommonMarks of the two logs cannot be read.
	LostWriteStates uint64 `json:"lost_writes"`
	CommonMarks     int    `json:"common_marks"`

	SecondCrash    *SecondCrash `json:"second_crash"`
	LintViolations uint64       `json:"lint_violations"`
	Violations     []Violation  `json:"violations"`
	Worst          *Worst       `json:"worst"`
	Coverage       Coverage     `json:"coverage"`
	// FirstFailure is the first state that should not be: corrupt, of a
	// broken image or leaking, whichever kernel is expected.
	FirstFailure *Failure `json:"first_failure"`
	// FirstLeak, FirstCorrupt, FirstBroken and FirstLost are the first states
	// of each kind.
	FirstLeak    *Failure `json:"first_leak"`
	FirstCorrupt *Failure `json:"first_corrupt"`
	FirstBroken  *Failure `json:"first_broken_image"`
	FirstLost    *Failure `json:"first_lost_write"`

	// Checks is what a checker of file systems found.
	Checks

	// Windows are the epochs in which a crash leaves something wrong.
	Windows []Window `json:"bad_windows"`
	// Epochs are all epochs that were explored, as Windows are, for pictures.
	Epochs []Window `json:"-"`
	// Drawn is what of its epoch is durable in a state; nil in a report that
	// was read, which has no log.
	Drawn func(state string) []DrawnEntry `json:"-"`
	// Timeline has what each entry is, for pictures.
	Timeline []Moment `json:"-"`

	// Doubts are what "nothing was found" rests on; Warnings is what else
	// should be known.
	Doubts   []Doubt          `json:"doubts"`
	Warnings []string         `json:"warnings"`
	Kernel   allocator.Kernel `json:"expected_kernel"`
	// LogID tells reports of the same log and options from others. Shard is
	// which part of the exploration this is, empty for all of it.
	LogID   string  `json:"log_id"`
	Shard   Shard   `json:"shard"`
	Seconds float64 `json:"seconds"`
}

// Worst is the state that lost most.
type Worst struct {
	State  string `json:"state"`
	Entry  int    `json:"entry"`
	Leaked uint64 `json:"leaked_chunks"`
}

// Failure is a state that should not be: the smallest one that fails in the
// same way at the same place in the log.
type Failure struct {
	State string `json:"state"`
	Entry int    `json:"entry"` // the last one of which the state holds something
	Why   string `json:"why"`
	// What the kernel will say of the store when the state is activated.
	Store            int         `json:"store"`
	LeakedChunks     uint64      `json:"leaked_chunks"`
	AllocatedSectors cow.Sectors `json:"allocated_sectors"`
}

// Coverage is what was exhaustive, and what was sampled.
type Coverage struct {
	Epochs           int    `json:"epochs"`
	ExhaustiveEpochs int    `json:"exhaustive_epochs"`
	SampledEpochs    int    `json:"sampled_epochs"`
	LargestEpoch     int    `json:"largest_epoch_entries"`
	SampledStates    uint64 `json:"sampled_states"` // random ones, of sampled epochs
	TornCommits      uint64 `json:"torn_commit_states"`
	TornWrites       uint64 `json:"torn_write_states"`
	DistinctStates   uint64 `json:"distinct_states"` // as the judge sees them, epoch by epoch
	// FirstEntry is where exploring began: behind the last flush before the
	// freeze.
	FirstEntry int `json:"first_entry"`
	// BlindWrites are origin writes that are logged behind a commit of the
	// same epoch and may have been done before it: states in which they are
	// durable and it is not cannot be told from the log.
	BlindWrites int `json:"blind_origin_writes"`
}

// SecondCrash is what a further crash leaves, after the kernel has activated
// a state and gone on; all zero where nobody asked.
type SecondCrash struct {
	From    uint64 `json:"from_states"` // states that were activated
	States  uint64 `json:"states"`
	Leaking uint64 `json:"leaking_states"`
	Corrupt uint64 `json:"corrupt_states"`
	Broken  uint64 `json:"broken_image_states"`
	// FirstFailure is the first of them that should not be: FirstCorrupt or
	// FirstBroken.
	FirstFailure *Failure `json:"first_failure"`
	FirstCorrupt *Failure `json:"first_corrupt"`
	FirstBroken  *Failure `json:"first_broken_image"`
}

// Window is an epoch, entries From up to, not including, To, in which a crash
// leaves something wrong, with the numbers of such states.
type Window struct {
	From    int    `json:"from"`
	To      int    `json:"to"`
	States  uint64 `json:"states"`
	Leaking uint64 `json:"leaking_states"`
	Corrupt uint64 `json:"corrupt_states"`
	Broken  uint64 `json:"broken_image_states"`
	Lost    uint64 `json:"lost_write_states"`
	Leaked  uint64 `json:"leaked_chunks"` // the most that a state of it lost
}

// Moment is what an entry of the log is.
type Moment uint8

// The moments.
const (
	OtherMoment Moment = iota
	FlushMoment
	CommitMoment
	MetadataMoment
	CopyMoment
	OriginMoment
	MarkMoment
)

// Headline is the verdict in one sentence.
func (r *Report) Headline() string {
	switch {
	case r.CorruptStates > 0:
		return fmt.Sprintf("corrupt: %d of %d crash states have a store that does not parse or names a chunk twice", r.CorruptStates, r.States)
	case r.BrokenImageStates > 0:
		return fmt.Sprintf("broken: in %d of %d crash states the snapshot shows something else than the frozen image", r.BrokenImageStates, r.States)
	case r.LostWriteStates > 0:
		return fmt.Sprintf("lost writes: in %d of %d crash states something that the layer above had flushed cannot be read", r.LostWriteStates, r.States)
	case r.FailedChecks > 0:
		return fmt.Sprintf("damaged: the checker fails on %d of the %d distinct images that the crash states show (%s)", r.FailedChecks, r.CheckedStates, r.Checks.View)
	case r.LeakingStates > 0:
		return fmt.Sprintf("leaking: %d of %d crash states lose chunks, %d at most", r.LeakingStates, r.States, r.Worst.Leaked)
	case r.SecondCrash.Bad():
		c := r.SecondCrash
		return fmt.Sprintf("broken by a second crash: no first crash is bad, but of %d second ones %d leave a corrupt store and %d a broken image", c.States, c.Corrupt, c.Broken)
	case r.ExploredEntries < r.Entries:
		return fmt.Sprintf("unfinished: none of the first %d crash states leaks, is corrupt or shows a broken image", r.States)
	case r.UndecidedChecks > 0:
		return fmt.Sprintf("undetermined: none of %d crash states leaks, is corrupt or shows a broken image, but the checker gave no answer on %d of %d distinct images", r.States, r.UndecidedChecks, r.CheckedStates)
	case len(r.Doubts) > 0:
		return fmt.Sprintf("undetermined: none of %d crash states leaks, is corrupt or shows a broken image, but that rests on what the log does not tell", r.States)
	default:
		return fmt.Sprintf("fine: none of %d crash states leaks, is corrupt or shows a broken image", r.States)
	}
}

// Bad tells whether a second crash leaves what no first one did.
func (c *SecondCrash) Bad() bool { return c.Corrupt+c.Broken > 0 }
