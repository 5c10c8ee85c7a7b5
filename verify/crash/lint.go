// The lint: rules for the order of entries that cover all subsets of a log at
// once, in linear time. It walks the log in order, and collects the facts of
// each store on the way.

package crash

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Rule names a rule for the order of entries.
type Rule string

// The rules. The right order for the first write to each chunk of the origin
// is: copy, flush, commit, write.
const (
	CommitBeforeCopy   Rule = "commit-before-copy"   // the exception was committed before the copy was written
	CopyNotFlushed     Rule = "copy-not-flushed"     // no flush between copy and commit
	WriteBeforeCommit  Rule = "write-before-commit"  // the origin changed before the exception was committed
	NextAreaNotZeroed  Rule = "next-area-not-zeroed" // a full area was committed while the next one held records
	ClearedBeforeMerge Rule = "cleared-before-merge" // a merged exception was cleared before its data was flushed
	OutOfOrder         Rule = "out-of-order"         // exceptions completed out of the order of allocation (fixed kernels)
	BeyondDevice       Rule = "beyond-device"        // the exception names a chunk that the device got only when it grew
)

// Violation is an entry that breaks a rule.
type Violation struct {
	Rule    Rule   `json:"rule"`
	Entry   int    `json:"entry"`
	Message string `json:"message"`
}

// maxViolations is the most violations in a report; all are counted.
const maxViolations = 100

// linter walks the log once, in its order.
type linter struct {
	x         *explorer
	lastFlush int
	written   map[chunkOf]bool // chunks with a recorded violation
	touched   map[chunkOf]bool // in this epoch: chunks whose image may have changed
	wasValid  []bool           // by store

	count uint64
	found []Violation
	blind int
	// doubtful are writes to the origin while its snapshot merges. They are not
	// violations if somebody writes to the snapshot.
	doubtful []doubt
}

// chunkOf is a chunk of the origin, of one store.
type chunkOf struct {
	store int16
	chunk cow.Chunk
}

type doubt struct {
	s     *store
	chunk cow.Chunk
	entry int
}

// lint walks the whole log.
func (x *explorer) lint() (*linter, error) {
	l := &linter{x: x, lastFlush: -1, written: map[chunkOf]bool{}, touched: map[chunkOf]bool{}, wasValid: make([]bool, len(x.stores)), found: []Violation{}}
	for _, e := range x.epochs {
		if err := x.enter(e); err != nil {
			return nil, err
		}
		l.epoch(e)
		x.leave()
		l.departures(e)
		if x.err != nil {
			return nil, x.err
		}
	}
	l.judgeDoubtful()
	return l, nil
}

// epoch walks through one epoch and applies it.
func (l *linter) epoch(e interval) {
	committed := false
	for i := e.from; i < e.to; i++ {
		l.frozenNow(i, e)
		st := l.x.step(i)
		if l.x.log.Entry(i).Flags&logwrites.Flush != 0 {
			l.lastFlush, committed = i, false
		}
		committed = committed || st.ordered
		switch st.kind {
		case commits:
			l.commit(i, st)
		case origins:
			if committed {
				l.blind++
			}
			l.origin(i, st)
		case copies:
			l.copied(i, st)
		}
		l.touch(i, st)
		l.x.apply(i)
	}
}

// frozenNow records the state when a store is frozen, and what the disk may
// have kept from before.
func (l *linter) frozenNow(i int, e interval) {
	for _, s := range l.x.stores {
		if i == s.freeze && !s.created {
			for k := range s.ledger.Len() {
				s.known[s.ledger.At(k)] = commit{content: frozenContent}
			}
		}
		if i < s.freeze && s.freeze <= e.to {
			for _, w := range l.x.step(i).writes {
				if l.x.roles[w.cell].place == inOrigin {
					at := l.x.blocks[w.cell]
					s.maybe[at] = append(s.maybe[at], l.x.content[w.cell])
				}
			}
		}
	}
}

// touch records the chunks whose image an entry may change.
func (l *linter) touch(i int, st *step) {
	for _, w := range st.writes {
		switch r := l.x.roles[w.cell]; r.place {
		case inOrigin:
			for _, s := range l.x.stores {
				if i >= s.freeze && int(w.cell) < len(s.originAt) && s.originAt[w.cell].chunk != nil {
					l.touched[chunkOf{s.index, s.originAt[w.cell].chunk.number}] = true
				}
			}
		case inData:
			if i < l.x.stores[r.store].freeze {
				continue
			}
			for _, o := range l.x.stores[r.store].cowChunks[r.chunk].owners {
				l.touched[chunkOf{r.store, o.number}] = true
			}
		case inArea:
			if i < l.x.stores[r.store].freeze {
				continue
			}
			old, now := l.x.records[l.x.content[w.cell]], l.x.records[w.id]
			for slot, e := range now.list {
				if e != old.list[slot] {
					l.touched[chunkOf{r.store, e.Old}] = true
					l.touched[chunkOf{r.store, old.list[slot].Old}] = true
				}
			}
		}
	}
}

// departures checks, at the end of an epoch, whether the snapshots still show
// what was frozen.
func (l *linter) departures(e interval) {
	for i, s := range l.x.stores {
		if s.state != valid && l.wasValid[i] {
			s.departs = min(s.departs, e.from)
		}
		l.wasValid[i] = s.state == valid
	}
	for t := range l.touched {
		s := l.x.stores[t.store]
		if s.freeze > e.to || s.departs != never || !s.bounds.OnOrigin(t.chunk) {
			continue
		}
		o := s.bringOrigin(t.chunk)
		if o == nil {
			return
		}
		for i, id := range s.frozenOf(o) {
			if s.content[o.holder()[i]] != id {
				s.departs = e.from
				break
			}
		}
	}
	clear(l.touched)
}

// judgeDoubtful records the doubtful writes as violations, now that it is known
// which snapshots somebody wrote to.
func (l *linter) judgeDoubtful() {
	for _, d := range l.doubtful {
		if !d.s.lenient(d.s.opt) {
			l.note(WriteBeforeCommit, d.entry, "entry %d writes to the origin's chunk %d, which no exception named, while the snapshot merges", d.entry, d.chunk)
		}
	}
	slices.SortStableFunc(l.found, func(a, b Violation) int { return cmp.Compare(a.Entry, b.Entry) })
}

func (l *linter) note(r Rule, entry int, format string, args ...any) {
	l.count++
	if len(l.found) < maxViolations {
		l.found = append(l.found, Violation{r, entry, fmt.Sprintf(format, args...)})
	}
}

// origin checks a write to the origin against the exceptions committed so far.
func (l *linter) origin(i int, st *step) {
	if l.x.opt.DiscardsPassedDown && l.x.discards(i) {
		return // it needs no copy
	}
	for _, s := range l.x.stores {
		if s.state != valid || i < s.freeze {
			continue
		}
		for _, w := range st.writes {
			r := s.originAt[w.cell]
			this := chunkOf{s.index, r.chunk.number}
			if _, merged := s.facts.cleared[r.chunk.number]; len(r.chunk.at) > 0 || l.written[this] || w.id == l.x.content[w.cell] || merged {
				continue
			}
			l.written[this] = true
			if s.merging != never {
				l.doubtful = append(l.doubtful, doubt{s, r.chunk.number, i})
				continue
			}
			l.note(WriteBeforeCommit, i, "entry %d writes to the origin's chunk %d, before its exception is committed", i, r.chunk.number)
		}
	}
}

// commit checks the records that a commit changes.
func (l *linter) commit(i int, st *step) {
	s := l.x.stores[st.store]
	perArea := s.geometry().ExceptionsPerArea()
	next := s.ledger.NextFree()
	for _, w := range st.writes {
		r := l.x.roles[w.cell]
		now := l.x.records[w.id].list
		old := l.x.records[l.x.content[w.cell]].list
		a := s.areas[r.chunk]
		for slot, e := range now {
			k := a.number*perArea + uint64(int(r.block)*len(now)+slot)
			switch was := old[slot]; {
			case was == e:
			case e.Terminates() && k < uint64(s.ledger.Len()):
				l.cleared(i, s, was)
			case e.Terminates(): // it was after the terminator
			default:
				l.added(i, s, k, e, next)
				next = s.geometry().SkipMetadata(max(next, e.New+1))
			}
			if k == (a.number+1)*perArea-1 && !e.Terminates() && old[slot].Terminates() {
				l.filled(i, s, a.number)
			}
		}
	}
}

// added checks a new exception; next is the chunk after the previous ones.
func (l *linter) added(i int, s *store, k uint64, e cow.Exception, next cow.Chunk) {
	if l.x.opt.Expect != allocator.Leaky && e.New != next {
		l.note(OutOfOrder, i, "entry %d commits exception %d with chunk %d; in the order of allocation it would be chunk %d", i, k, e.New, next)
	}
	if had := s.chunksAt(i); uint64(e.New) >= had && s.bounds.OnDevice(e.New) {
		l.note(BeyondDevice, i, "entry %d commits an exception for chunk %d of the COW store, when the device had %s", i, e.New, count.Of(had, "chunk"))
	}
	s.known[e] = commit{int32(i), frozenContent}
	o, c := s.chunksOf(e)
	if o == nil {
		return
	}
	content := s.firstContentOf(o, c)
	s.known[e] = commit{int32(i), content}
	if content == otherContent && s.knowsFrozen(o) {
		s.otherKnown++
	} else if content == otherContent {
		s.otherUnknown++
	}
	first := s.blockOf(c.number)
	switch oldest, newest := l.lastWrites(span{first, first + uint64(len(o.cells))}, i); {
	case oldest < s.born || oldest < 0:
		l.note(CommitBeforeCopy, i, "entry %d commits an exception for chunk %d, before anything was copied to it", i, e.New)
		return
	case newest >= l.lastFlush:
		l.note(CopyNotFlushed, i, "entry %d commits an exception for chunk %d, whose copy (entry %d) was not flushed", i, e.New, newest)
		return
	}
	s.filledBySnapshot(i, o, c)
}

// lastWrites returns the oldest and the newest entry, before a given one, that
// last wrote a block of the run. It returns -1 if a block was never written.
func (l *linter) lastWrites(run span, before int) (oldest, newest int) {
	oldest, newest = never, -1
	err := l.x.lastWriters(run, before, func(_ span, entry int) error {
		oldest, newest = min(oldest, entry), max(newest, entry)
		return nil
	})
	if err != nil {
		l.x.fail(err)
	}
	return oldest, newest
}

// cleared checks an exception that a merge removed.
func (l *linter) cleared(i int, s *store, e cow.Exception) {
	s.merging = min(s.merging, i)
	o, c := s.chunksOf(e)
	if o == nil {
		return
	}
	_, newest := l.lastWrites(s.runOf(o), i)
	for n, at := range o.cells {
		if l.x.content[at] != l.x.content[c.cells[n]] || newest >= 0 && newest >= l.lastFlush {
			l.note(ClearedBeforeMerge, i, "entry %d clears the exception of the origin's chunk %d before its data was merged and flushed", i, e.Old)
			return
		}
	}
	if _, known := s.facts.cleared[e.Old]; !known {
		s.facts.cleared[e.Old] = i
	}
	s.mergedOnly(i, e, o, c)
}

// filled checks the area after one that fills up.
func (l *linter) filled(i int, s *store, number uint64) {
	next := s.areaAt(number + 1)
	if next == nil {
		return // the device ends here; the kernel invalidates the snapshot
	}
	first := s.blockOf(s.geometry().AreaChunk(number + 1))
	_, newest := l.lastWrites(span{first, first + s.perChunk}, i)
	for _, id := range next.blocks {
		if id != 0 || newest >= 0 && newest >= l.lastFlush {
			l.note(NextAreaNotZeroed, i, "entry %d fills area %d before area %d is zeroed and flushed", i, number, number+1)
			return
		}
	}
}
