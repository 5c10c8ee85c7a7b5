// Facts: what the whole log tells of a store, worked out once before its states
// are explored.

package crash

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// facts of a store. While states are explored nothing changes them.
type facts struct {
	freeze  int  // the entry before which the origin stood still
	created bool // the log creates the store
	born    int  // the entry that does, else 0
	// known are the exceptions that the log commits, or that were there at
	// the freeze: nobody writes to the snapshot through any other.
	known map[cow.Exception]commit
	// evidence is how the log tells that somebody wrote to the snapshot.
	evidence string
	// merging is the entry of the first commit that cleared exceptions;
	// from then on writes to the origin are writes to the snapshot. cleared
	// has the entry for each chunk that was merged.
	merging int
	cleared map[cow.Chunk]int
	// maybe are further contents that blocks may show: of origin blocks that
	// were written before the freeze and not flushed.
	maybe map[uint64][]blockID
	// Chunks that were first filled with something else than the frozen
	// origin's, where that is known, and where it is not.
	otherKnown, otherUnknown int
	// departs is the first epoch at whose end the snapshot does not show what
	// was frozen, by the entry it begins with.
	departs int
}

func newFacts() *facts {
	return &facts{known: map[cow.Exception]commit{}, cleared: map[cow.Chunk]int{}, maybe: map[uint64][]blockID{}, merging: never, departs: never}
}

// commit is how an exception came into the store.
type commit struct {
	entry   int32
	content firstContent
}

// firstContent is what a COW chunk held when its exception was committed.
type firstContent uint8

const (
	frozenContent firstContent = iota // the frozen chunk: a copy
	lateContent                       // some of it what the origin had become by then: a copy that came too late
	otherContent                      // neither
)

// lenient tells whether contents of the snapshot that are not the frozen
// origin's may have been written to it.
func (f *facts) lenient(opt *Options) bool {
	return !opt.ReadOnlySnapshot && (opt.SnapshotWritten || f.evidence != "")
}

// assumed is how many chunks' first copies are taken to be right.
func (f *facts) assumed(opt *Options) int {
	if f.lenient(opt) {
		return f.otherKnown + f.otherUnknown
	}
	return f.otherUnknown
}

// frozenBy is the index of the epoch in which the store is frozen, -1 where
// none is.
func (f *facts) frozenBy(epochs []interval) int {
	for i, e := range epochs {
		if f.freeze < e.to || f.freeze == e.to && i == len(epochs)-1 {
			return i
		}
	}
	return -1
}
