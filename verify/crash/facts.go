// Facts: what the whole log says about a store, worked out once before its states
// are explored.

package crash

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// facts are what the whole log says about a store. They do not change during the
// exploration.
type facts struct {
	freeze  int  // the entry at which the origin was frozen
	created bool // the log creates the store
	born    int  // the entry that creates it, else 0
	// known are the exceptions that the log commits, or that existed at
	// the freeze: writes to the snapshot go only through these.
	known map[cow.Exception]commit
	// evidence says how the log shows that somebody wrote to the snapshot.
	evidence string
	// merging is the entry of the first commit that cleared exceptions. From
	// then on, writes to the origin are writes to the snapshot. cleared has the
	// entry for each chunk that was merged.
	merging int
	cleared map[cow.Chunk]int
	// maybe are other contents that blocks may show: those of origin blocks
	// that were written before the freeze and not flushed.
	maybe map[uint64][]blockID
	// otherKnown and otherUnknown count the chunks whose first content is not
	// the frozen origin's, where that is known and where it is not.
	otherKnown, otherUnknown int
	// departs is the first epoch, by its first entry, after which the snapshot
	// does not show what was frozen.
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
	lateContent                       // partly later content of the origin: a copy made too late
	otherContent                      // neither
)

// lenient reports whether contents of the snapshot other than the frozen
// origin's may have been written to it.
func (f *facts) lenient(opt *Options) bool {
	return !opt.ReadOnlySnapshot && (opt.SnapshotWritten || f.evidence != "")
}

// assumed is the number of chunks whose first copies are assumed to be right.
func (f *facts) assumed(opt *Options) int {
	if f.lenient(opt) {
		return f.otherKnown + f.otherUnknown
	}
	return f.otherUnknown
}

// frozenBy is the index of the epoch in which the store is frozen, or -1.
func (f *facts) frozenBy(epochs []interval) int {
	for i, e := range epochs {
		if f.freeze < e.to || f.freeze == e.to && i == len(epochs)-1 {
			return i
		}
	}
	return -1
}
