// The lint: what must hold of the order of entries, for all subsets of a log
// at once, in linear time.

package crash

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Rule names what an order of entries violates.
type Rule string

// The rules. For the first write to each chunk of the origin it is: copy,
// flush, commit, write.
const (
	CommitBeforeCopy   Rule = "commit-before-copy"   // no copy was written when the exception was committed
	CopyNotFlushed     Rule = "copy-not-flushed"     // no flush between copy and commit
	WriteBeforeCommit  Rule = "write-before-commit"  // the origin changed before the exception was committed
	NextAreaNotZeroed  Rule = "next-area-not-zeroed" // a full area was committed while the next one held records
	ClearedBeforeMerge Rule = "cleared-before-merge" // a merged exception was cleared before its data was flushed
	OutOfOrder         Rule = "out-of-order"         // completed out of the order of allocation (fixed kernels)
)

// Violation is an entry that breaks a rule.
type Violation struct {
	Rule    Rule   `json:"rule"`
	Entry   int    `json:"entry"`
	Message string `json:"message"`
}

// maxViolations bounds those that are written out; all are counted.
const maxViolations = 100

// linter walks the log once, in its order.
type linter struct {
	x         *explorer
	lastWrite []int // by cell; -1
	lastFlush int
	written   map[*originChunk]bool // violations were noted of

	count uint64
	found []Violation
	blind int
	// doubtful are writes to the origin of a snapshot that merges: none of
	// them is a violation where somebody writes to the snapshot.
	doubtful []doubt
}

type doubt struct {
	s     *store
	chunk cow.Chunk
	entry int
}

// lint walks the whole log over the explorer's disk, and notes on the way when
// merges begin.
func (x *explorer) lint() *linter {
	l := &linter{x: x, lastFlush: -1, written: map[*originChunk]bool{}, found: []Violation{}}
	for range x.disk.content {
		l.lastWrite = append(l.lastWrite, -1)
	}
	x.epochEnd = len(x.steps)
	committed := false
	for i := range x.steps {
		if x.opt.interrupted() != nil {
			break
		}
		st := &x.steps[i]
		if x.log.Entry(i).Flags&logwrites.Flush != 0 {
			l.lastFlush, committed = i, false
		}
		switch st.kind {
		case commits:
			committed = true
			l.commit(i, st)
		case origins:
			if committed {
				l.blind++
			}
			l.origin(i, st)
		case copies:
			l.copied(i, st)
		}
		x.apply(i)
		for _, w := range st.writes {
			l.wrote(w.cell, i)
		}
	}
	l.judgeDoubtful()
	return l
}

// judgeDoubtful notes the writes to origins that merged, now that it is known
// to whose snapshots somebody wrote.
func (l *linter) judgeDoubtful() {
	for _, d := range l.doubtful {
		if !d.s.lenient() {
			l.note(WriteBeforeCommit, d.entry, "entry %d writes to the origin's chunk %d, which no exception named, while the snapshot merges", d.entry, d.chunk)
		}
	}
	slices.SortStableFunc(l.found, func(a, b Violation) int { return cmp.Compare(a.Entry, b.Entry) })
}

func (l *linter) wrote(c cell, entry int) {
	for int(c) >= len(l.lastWrite) {
		l.lastWrite = append(l.lastWrite, -1)
	}
	l.lastWrite[c] = entry
}

// writtenAt is the last entry that wrote a cell, -1 where none did.
func (l *linter) writtenAt(c cell) int {
	if int(c) >= len(l.lastWrite) {
		return -1
	}
	return l.lastWrite[c]
}

// unflushed tells whether no flush made the last write of a cell durable yet.
func (l *linter) unflushed(c cell) bool {
	at := l.writtenAt(c)
	return at >= 0 && at >= l.lastFlush
}

func (l *linter) note(r Rule, entry int, format string, args ...any) {
	l.count++
	if len(l.found) < maxViolations {
		l.found = append(l.found, Violation{r, entry, fmt.Sprintf(format, args...)})
	}
}

// origin holds a write to the origin against the exceptions committed so far.
func (l *linter) origin(i int, st *step) {
	for _, s := range l.x.stores {
		if s.state != valid || i < s.freeze {
			continue
		}
		for _, w := range st.writes {
			r := s.originAt[w.cell]
			if len(r.chunk.at) > 0 || l.written[r.chunk] || w.id == l.x.disk.content[w.cell] || r.chunk.cleared != never {
				continue
			}
			l.written[r.chunk] = true
			if s.merging != never {
				l.doubtful = append(l.doubtful, doubt{s, r.chunk.number, i})
				continue
			}
			l.note(WriteBeforeCommit, i, "entry %d writes to the origin's chunk %d, of which no exception is committed yet", i, r.chunk.number)
		}
	}
}

// commit looks at the records that a commit changes.
func (l *linter) commit(i int, st *step) {
	s := l.x.stores[st.store]
	perArea := s.geometry.ExceptionsPerArea()
	next := s.ledger.NextFree()
	for _, w := range st.writes {
		r := l.x.roles[w.cell]
		now := l.x.disk.records[w.id]
		old := l.x.disk.records[l.x.disk.content[w.cell]]
		a := s.areas[r.chunk]
		for slot, e := range now {
			k := a.number*perArea + uint64(int(r.block)*len(now)+slot)
			switch was := old[slot]; {
			case was == e:
			case e.Terminates() && k < uint64(s.ledger.Len()):
				l.cleared(i, s, was)
			case e.Terminates(): // it was behind the terminator
			default:
				l.added(i, s, k, e, next)
				next = s.geometry.SkipMetadata(max(next, e.New+1))
			}
			if k == (a.number+1)*perArea-1 && !e.Terminates() && old[slot].Terminates() {
				l.filled(i, s, a.number)
			}
		}
	}
}

// added looks at a new exception; next is the chunk behind those before it.
func (l *linter) added(i int, s *store, k uint64, e cow.Exception, next cow.Chunk) {
	if l.x.opt.Expect != allocator.Leaky && e.New != next {
		l.note(OutOfOrder, i, "entry %d commits exception %d with chunk %d, in the order of allocation it would be chunk %d", i, k, e.New, next)
	}
	s.known[e] = commit{i, frozenContent}
	o, c := s.chunksOf(e)
	if o == nil {
		return
	}
	s.known[e] = commit{i, s.firstContentOf(o, c)}
	for n := range o.cells {
		switch at := l.writtenAt(c.cells[n]); {
		case at < s.born:
			l.note(CommitBeforeCopy, i, "entry %d commits an exception for chunk %d, to which nothing was copied yet", i, e.New)
			return
		case at >= l.lastFlush:
			l.note(CopyNotFlushed, i, "entry %d commits an exception for chunk %d, whose copy (entry %d) no flush made durable", i, e.New, at)
			return
		}
	}
	s.filledBySnapshot(i, o, c)
}

// cleared looks at an exception that a merge took away.
func (l *linter) cleared(i int, s *store, e cow.Exception) {
	s.merging = min(s.merging, i)
	o, c := s.chunksOf(e)
	if o == nil {
		return
	}
	for n, at := range o.cells {
		if l.x.disk.content[at] != l.x.disk.content[c.cells[n]] || l.unflushed(at) {
			l.note(ClearedBeforeMerge, i, "entry %d clears the exception of the origin's chunk %d, to which its data was not merged and flushed", i, e.Old)
			return
		}
	}
	o.cleared = min(o.cleared, i)
	s.mergedOnly(i, e, o, c)
}

// filled looks at the area behind one that fills up.
func (l *linter) filled(i int, s *store, number uint64) {
	next := s.areaAt(number + 1)
	if next == nil {
		return // the device ends here; the kernel invalidates the snapshot
	}
	first := s.cow.first + uint64(s.geometry.AreaChunk(number+1))*s.perChunk
	for b := range s.perChunk {
		c := l.x.disk.cells[first+b]
		if l.x.disk.content[c] != 0 || l.unflushed(c) {
			l.note(NextAreaNotZeroed, i, "entry %d fills area %d while area %d is not zeroed and flushed", i, number, number+1)
			return
		}
	}
}
