// The report of an exploration.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// Report is what Explore found.
type Report struct {
	Entries int `json:"entries"`
	Commits int `json:"commits"`
	// ExploredEntries is the entry up to which crashes were explored: all
	// entries, unless the exploration was interrupted.
	ExploredEntries int `json:"explored_entries"`

	// States counts the enumerated states, before equal ones are merged. The
	// others count those in which a store leaks; does not parse or names a
	// chunk twice; or shows something other than the frozen image. Stale states
	// have records after the terminator, which torn commits leave on every
	// kernel. Abandoned ones were invalidated by the kernel, and are not judged
	// further.
	States            uint64 `json:"states"`
	LeakingStates     uint64 `json:"leaking_states"`
	CorruptStates     uint64 `json:"corrupt_states"`
	BrokenImageStates uint64 `json:"broken_image_states"`
	StaleStates       uint64 `json:"stale_states"`
	AbandonedStates   uint64 `json:"invalid_states"`
	// LostWriteStates are those in which something that the layer above flushed
	// before one of the CommonMarks of the two logs cannot be read.
	LostWriteStates uint64 `json:"lost_writes"`
	CommonMarks     int    `json:"common_marks"`

	SecondCrash    *SecondCrash `json:"second_crash"`
	LintViolations uint64       `json:"lint_violations"`
	Violations     []Violation  `json:"violations"`
	Worst          *Worst       `json:"worst"`
	Coverage       Coverage     `json:"coverage"`
	// FirstFailure is the first failing state: corrupt, with a broken image, or
	// leaking, whichever kernel is expected.
	FirstFailure *Failure `json:"first_failure"`
	// FirstLeak, FirstCorrupt, FirstBroken and FirstLost are the first states
	// of each kind.
	FirstLeak    *Failure `json:"first_leak"`
	FirstCorrupt *Failure `json:"first_corrupt"`
	FirstBroken  *Failure `json:"first_broken_image"`
	FirstLost    *Failure `json:"first_lost_write"`

	// Checks are the results of a file system checker.
	Checks

	// Windows are the epochs in which a crash leaves something wrong.
	Windows []Window `json:"bad_windows"`
	// Epochs are all explored epochs, in the form of Windows, for pictures.
	Epochs []Window `json:"-"`
	// Pictured has what the other fields for pictures are made from when the
	// reports of all parts are combined. It is nil in the report of a whole.
	Pictured *Pictured `json:"pictured,omitempty"`
	// Drawn returns which parts of its epoch are durable in a state. It is nil
	// in a report that was read from JSON, which has no log.
	Drawn func(state string) []DrawnEntry `json:"-"`
	// Timeline says what each entry is, for pictures.
	Timeline []Moment `json:"-"`

	// Doubts are the assumptions behind "nothing was found". Warnings are other
	// things to know.
	Doubts   []Doubt          `json:"doubts"`
	Warnings []string         `json:"warnings"`
	Kernel   allocator.Kernel `json:"expected_kernel"`
	// LogID is equal for reports of the same log and options. Shard is the part
	// of the exploration in this report; empty means all of it.
	LogID   string  `json:"log_id"`
	Shard   Shard   `json:"shard"`
	Seconds float64 `json:"seconds"`
}

// Worst is the state that lost most chunks.
type Worst struct {
	State  string `json:"state"`
	Entry  int    `json:"entry"`
	Leaked uint64 `json:"leaked_chunks"`
}

// Failure is a failing state: the smallest one that fails in the same way at
// the same place in the log.
type Failure struct {
	State string `json:"state"`
	Entry int    `json:"entry"` // the last one that is at least partly in the state
	Why   string `json:"why"`
	// What the kernel will report for the store when the state is activated.
	Store            int         `json:"store"`
	LeakedChunks     uint64      `json:"leaked_chunks"`
	AllocatedSectors cow.Sectors `json:"allocated_sectors"`
}

// Coverage says what was exhaustive and what was sampled.
type Coverage struct {
	Epochs           int    `json:"epochs"`
	ExhaustiveEpochs int    `json:"exhaustive_epochs"`
	SampledEpochs    int    `json:"sampled_epochs"`
	LargestEpoch     int    `json:"largest_epoch_entries"`
	SampledStates    uint64 `json:"sampled_states"` // random states of sampled epochs
	TornCommits      uint64 `json:"torn_commit_states"`
	TornWrites       uint64 `json:"torn_write_states"`
	DistinctStates   uint64 `json:"distinct_states"` // as the judge sees them, epoch by epoch
	// FirstEntry is where the exploration began: after the last flush before
	// the freeze.
	FirstEntry int `json:"first_entry"`
	// BlindWrites are origin writes that are logged after a commit of the same
	// epoch but may have been made before it. The log does not reveal states in
	// which the write is durable and the commit is not.
	BlindWrites int `json:"blind_origin_writes"`
}

// SecondCrash is what another crash leaves, after the kernel has activated a
// state and continued. It is all zero if it was not asked for.
type SecondCrash struct {
	From    uint64 `json:"from_states"` // states that were activated
	States  uint64 `json:"states"`
	Leaking uint64 `json:"leaking_states"`
	Corrupt uint64 `json:"corrupt_states"`
	Broken  uint64 `json:"broken_image_states"`
	// FirstFailure is the first failing one of them: FirstCorrupt or
	// FirstBroken.
	FirstFailure *Failure `json:"first_failure"`
	FirstCorrupt *Failure `json:"first_corrupt"`
	FirstBroken  *Failure `json:"first_broken_image"`
}

// Window is an epoch, entries From up to but not including To, in which a crash
// leaves something wrong, with the numbers of such states.
type Window struct {
	From    int    `json:"from"`
	To      int    `json:"to"`
	States  uint64 `json:"states"`
	Leaking uint64 `json:"leaking_states"`
	Corrupt uint64 `json:"corrupt_states"`
	Broken  uint64 `json:"broken_image_states"`
	Lost    uint64 `json:"lost_write_states"`
	Leaked  uint64 `json:"leaked_chunks"` // the most that one of its states lost
}

// Moment says what an entry of the log is.
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

// Headline returns the verdict in one sentence.
func (r *Report) Headline() string {
	states := count.Of(r.States, "crash state")
	switch {
	case r.CorruptStates > 0:
		return fmt.Sprintf("corrupt: in %d of %s a store does not parse or names a chunk twice", r.CorruptStates, states)
	case r.BrokenImageStates > 0:
		return fmt.Sprintf("broken: in %d of %s the snapshot shows something other than the frozen image", r.BrokenImageStates, states)
	case r.LostWriteStates > 0:
		return fmt.Sprintf("lost writes: in %d of %s something that the layer above had flushed cannot be read", r.LostWriteStates, states)
	case r.FailedChecks > 0:
		return fmt.Sprintf("damaged: the checker fails on %d of the %d distinct images that the crash states show (%s)", r.FailedChecks, r.CheckedStates, r.Checks.View)
	case r.LeakingStates > 0:
		lose := "lose"
		if r.LeakingStates == 1 {
			lose = "loses"
		}
		return fmt.Sprintf("leaking: %d of %s %s chunks, %d at most", r.LeakingStates, states, lose, r.Worst.Leaked)
	case r.SecondCrash.Bad():
		c := r.SecondCrash
		return fmt.Sprintf("broken by a second crash: no first crash is bad, but of %d second ones %d leave a corrupt store and %d a broken image", c.States, c.Corrupt, c.Broken)
	case r.ExploredEntries < r.Entries:
		return fmt.Sprintf("unfinished: none of the first %s leaks, is corrupt or shows a broken image", states)
	case r.UndecidedChecks > 0:
		return fmt.Sprintf("undetermined: none of %s leaks, is corrupt or shows a broken image, but the checker gave no answer on %d of %d distinct images", states, r.UndecidedChecks, r.CheckedStates)
	case len(r.Doubts) > 0:
		return fmt.Sprintf("undetermined: none of %s leaks, is corrupt or shows a broken image, but this rests on assumptions that the log does not settle", states)
	default:
		return fmt.Sprintf("fine: none of %s leaks, is corrupt or shows a broken image", states)
	}
}

// Bad reports whether a second crash leaves something that no first one did.
func (c *SecondCrash) Bad() bool { return c.Corrupt+c.Broken > 0 }
