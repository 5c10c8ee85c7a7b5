// Written: whether somebody wrote to the snapshot itself, told from the log.
//
// A copy and a write to the snapshot look the same: data in a chunk of the
// store. Where nobody wrote to the snapshot, each copy must be the frozen
// chunk, every byte; where somebody did, it need not. Two things tell of a
// write to the snapshot. A chunk that an exception names already is written
// again: copies are written once. And a chunk was first filled with something
// else than the frozen one, while the origin's chunk stays as it is: only a
// write that covers a whole chunk of the snapshot is not preceded by a copy
// (snapshot_map in the kernel's dm-snap.c), and a copy that is made for a write
// to the origin is followed by that write.

package crash

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// firstContent is what a COW chunk held when its exception was committed.
type firstContent uint8

const (
	frozenContent firstContent = iota // the frozen chunk: a copy
	lateContent                       // some of it what the origin had become by then: a copy that came too late
	otherContent                      // neither
)

// commit is how an exception came into the store.
type commit struct {
	entry   int
	content firstContent
}

// lenient tells whether contents of the snapshot that are not the frozen
// origin's may have been written to it.
func (s *store) lenient() bool {
	return !s.x.opt.ReadOnlySnapshot && (s.x.opt.SnapshotWritten || s.evidence != "")
}

// noteEvidence keeps the first evidence that somebody wrote to the snapshot.
func (s *store) noteEvidence(format string, args ...any) {
	if s.evidence == "" {
		s.evidence = fmt.Sprintf(format, args...)
	}
}

// heldAt is what a cell holds when all entries before one are durable.
func (x *explorer) heldAt(c cell, entry int) blockID {
	id := x.initial[c]
	for _, v := range x.versions(c) {
		if v.entry >= entry {
			break
		}
		id = v.id
	}
	return id
}

// flushesToWrite is how many flushes behind its commit a write to the origin may
// be logged for which a copy was made. The kernel submits it when the commit is
// done (pending_complete in dm-snap.c), and it is logged at the first flush
// behind its end: at the next one or, while many copies are committed, a few
// later. What the origin is given later still has nothing to do with the copy.
const flushesToWrite = 16

// soonAfter is the entries from one on up to where a write that it waited for
// is logged.
func (x *explorer) soonAfter(entry int) interval {
	at, _ := slices.BinarySearchFunc(x.epochs, entry, func(e interval, entry int) int { return cmp.Compare(e.to, entry+1) })
	return interval{entry, x.epochs[min(at+flushesToWrite-1, len(x.epochs)-1)].to}
}

// knowsFrozen tells whether the frozen content of a chunk is known: from the
// base image, or because the log holds all of it. A mark says when the origin
// was frozen, but not that the device held nothing before the log began.
func (s *store) knowsFrozen(o *originChunk) bool {
	if s.x.opt.Base != nil {
		return true
	}
	for _, c := range o.cells {
		if s.x.firstWrite(c, 0).entry >= s.freeze {
			return false
		}
	}
	return true
}

// firstContentOf is what the COW chunk holds now of the origin's chunk. What
// the origin got only after the COW chunk was written cannot be a late copy.
func (s *store) firstContentOf(o *originChunk, c *cowChunk) firstContent {
	what := frozenContent
	for i, at := range o.cells {
		id := s.x.disk.content[c.cells[i]]
		before := interval{s.freeze, s.x.firstWrite(c.cells[i], s.born).entry}
		switch {
		case id == s.x.heldAt(at, s.freeze):
		case s.x.wroteIn(at, id, before):
			what = max(what, lateContent)
		default:
			what = otherContent
		}
	}
	return what
}

// filledBySnapshot looks for evidence in the exception that an entry commits,
// of which the log holds all of the COW chunk. At the tail of a log that was not
// taken down the write to the origin may be missing: that is none.
func (s *store) filledBySnapshot(entry int, o *originChunk, c *cowChunk) {
	if !s.filledOtherwise(o, c) {
		return
	}
	if last := s.x.epochs[len(s.x.epochs)-1]; last.from <= entry && !s.x.log.Complete() {
		return
	}
	for _, at := range o.cells {
		if s.x.writes(at, s.x.soonAfter(entry)) > 0 {
			return
		}
	}
	s.noteEvidence("chunk %d of the COW store, committed by entry %d, was filled with something else than the origin's chunk %d, to which nothing is written in the %d flushes behind it", c.number, entry, o.number, flushesToWrite)
}

// filledOtherwise tells whether a COW chunk was surely filled with something
// else than the frozen chunk, and with no late copy.
func (s *store) filledOtherwise(o *originChunk, c *cowChunk) bool {
	commit := s.known[cow.Exception{Old: o.number, New: c.number}]
	return commit.content == otherContent && commit.entry >= s.freeze && s.knowsFrozen(o)
}

// mergedOnly looks for evidence in an exception that an entry clears because it
// was merged: the merge's own write to the origin is not one that a copy was
// made for.
func (s *store) mergedOnly(entry int, e cow.Exception, o *originChunk, c *cowChunk) {
	if !s.filledOtherwise(o, c) {
		return
	}
	for _, at := range o.cells {
		if s.x.writes(at, interval{s.known[e].entry, entry}) > 1 {
			return
		}
	}
	s.noteEvidence("chunk %d of the COW store was filled with something else than the origin's chunk %d, to which nothing was written before it was merged (entry %d)", c.number, o.number, entry)
}

// copied looks for evidence in a write to the stores' data. A discard is none:
// that of a snapshot becomes zeros that are written (zero_exception). Nor is a
// second copy of the chunk, which came too late.
func (l *linter) copied(i int, st *step) {
	if l.x.log.Entry(i).Flags&logwrites.Discard != 0 {
		return
	}
	var again *cowChunk // a second copy of it
	for n, w := range st.writes {
		r := l.x.roles[w.cell]
		if r.place != inData || w.id == l.x.disk.content[w.cell] {
			continue
		}
		s := l.x.stores[r.store]
		c := s.cowChunks[r.chunk]
		if s.state != valid || i < s.freeze || len(c.owners) == 0 {
			continue
		}
		_, added := s.known[cow.Exception{Old: c.owners[0].number, New: c.number}]
		if l.writtenAt(w.cell) >= s.born || !added && !s.created {
			if c == again || l.copiesAgain(st.writes[max(0, n-int(r.block)):], s, c) {
				again = c
				continue
			}
			s.noteEvidence("entry %d writes again to chunk %d of the COW store, which an exception names", i, c.number)
		}
	}
}

// copiesAgain tells whether writes fill all of a COW chunk with what the
// origin's chunk holds now, and that is not the frozen chunk.
func (l *linter) copiesAgain(writes []write, s *store, c *cowChunk) bool {
	o, late := c.owners[0], false
	if len(writes) < len(o.cells) {
		return false
	}
	for i, at := range o.cells {
		w := writes[i]
		if w.cell != c.cells[i] || w.id != l.x.disk.content[at] {
			return false
		}
		late = late || w.id != l.x.heldAt(at, s.freeze)
	}
	return late
}
