// Written: whether somebody wrote to the snapshot itself, found from the log.
//
// A copy and a write to the snapshot look the same: data in a chunk of the
// store. If nobody wrote to the snapshot, each copy must equal the frozen chunk
// in every byte; otherwise it need not. Two things reveal a write to the
// snapshot. First, a chunk that an exception already names is written again:
// copies are written once. Second, a chunk is first filled with something other
// than the frozen one, while the origin's chunk does not change: only a write
// that covers a whole chunk of the snapshot is not preceded by a copy
// (snapshot_map in the kernel's dm-snap.c), and a copy made for a write to the
// origin is followed by that write.

package crash

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// noteEvidence keeps the first evidence that somebody wrote to the snapshot.
func (f *facts) noteEvidence(format string, args ...any) {
	if f.evidence == "" {
		f.evidence = fmt.Sprintf(format, args...)
	}
}

// flushesToWrite is the most flushes between a commit and the log entry of the
// origin write that the copy was made for. The kernel submits that write when
// the commit is done (pending_complete in dm-snap.c), and it is logged at the
// first flush after it completes: the next one or, while many copies are
// committed, a few later. Still later writes to the origin have nothing to do
// with the copy.
const flushesToWrite = 16

// soonAfter is the entries, from one on, among which a write that waited for it
// is logged.
func (h *history) soonAfter(entry int) interval {
	at, _ := slices.BinarySearchFunc(h.epochs, entry, func(e interval, entry int) int { return cmp.Compare(e.to, entry+1) })
	return interval{entry, h.epochs[min(at+flushesToWrite-1, len(h.epochs)-1)].to}
}

// frozenOf is the content of a chunk of the origin when it was frozen.
func (s *store) frozenOf(o *originChunk) []blockID {
	run := s.runOf(o)
	ids := make([]blockID, len(o.cells))
	if s.at >= s.freeze && !s.anyWriter(run, interval{s.freeze, s.end}) {
		for i, c := range o.cells {
			ids[i] = s.content[c]
		}
		return ids
	}
	buf := s.buffer(run.end - run.first)
	if err := s.read(run.first, s.freeze, buf); err != nil {
		s.fail(err)
		return ids
	}
	for i := range ids {
		ids[i] = idOf(buf[uint64(i)*s.layout.blockBytes:][:s.layout.blockBytes])
	}
	return ids
}

// runOf is the blocks of a chunk of the origin.
func (s *store) runOf(o *originChunk) span {
	first := s.blocks[o.cells[0]]
	return span{first, first + uint64(len(o.cells))}
}

// firstContentOf classifies the current content of the COW chunk of an origin
// chunk. Content that the origin got only after the COW chunk was written
// cannot be a late copy.
func (s *store) firstContentOf(o *originChunk, c *cowChunk) firstContent {
	what := frozenContent
	frozen := s.frozenOf(o)
	for i, at := range o.cells {
		id := s.content[c.cells[i]]
		if id == frozen[i] {
			continue
		}
		first := s.firstWriter(s.blocks[c.cells[i]], s.born)
		if s.wroteIn(at, id, interval{s.freeze, first}) {
			what = max(what, lateContent)
		} else {
			what = otherContent
		}
	}
	return what
}

// filledBySnapshot looks for evidence in an exception that an entry commits, if
// the log holds all of its COW chunk. At the tail of a log that was not taken
// down, the write to the origin may be missing: that is not evidence.
func (s *store) filledBySnapshot(entry int, o *originChunk, c *cowChunk) {
	if !s.filledOtherwise(o, c) {
		return
	}
	if last := s.epochs[len(s.epochs)-1]; last.from <= entry && !s.log.Complete() {
		return
	}
	if s.anyWriter(s.runOf(o), s.soonAfter(entry)) {
		return
	}
	s.noteEvidence("chunk %d of the COW store, committed by entry %d, was filled with something other than the origin's chunk %d, to which nothing is written in the next %d flushes", c.number, entry, o.number, flushesToWrite)
}

// filledOtherwise reports whether a COW chunk was certainly filled with
// something other than the frozen chunk or a late copy.
func (s *store) filledOtherwise(o *originChunk, c *cowChunk) bool {
	commit := s.known[cow.Exception{Old: o.number, New: c.number}]
	return commit.content == otherContent && int(commit.entry) >= s.freeze && s.knowsFrozen(o)
}

// mergedOnly looks for evidence in an exception that an entry clears because it
// was merged. The merge's own write to the origin is not one that a copy was
// made for.
func (s *store) mergedOnly(entry int, e cow.Exception, o *originChunk, c *cowChunk) {
	if !s.filledOtherwise(o, c) {
		return
	}
	for _, at := range o.cells {
		if s.writes(at, interval{int(s.known[e].entry), entry}) > 1 {
			return
		}
	}
	s.noteEvidence("chunk %d of the COW store was filled with something other than the origin's chunk %d, to which nothing was written before it was merged (entry %d)", c.number, o.number, entry)
}

// copied looks for evidence in a write to the stores' data. A discard is not
// evidence: a discard of a snapshot writes zeros (zero_exception). Nor is a
// second copy of the chunk that was made too late.
func (l *linter) copied(i int, st *step) {
	if l.x.log.Entry(i).Flags&logwrites.Discard != 0 {
		return
	}
	var again *cowChunk // a second copy of it
	for n, w := range st.writes {
		r := l.x.roles[w.cell]
		if r.place != inData || w.id == l.x.content[w.cell] {
			continue
		}
		s := l.x.stores[r.store]
		c := s.cowChunks[r.chunk]
		if s.state != valid || i < s.freeze || len(c.owners) == 0 {
			continue
		}
		_, added := s.known[cow.Exception{Old: c.owners[0].number, New: c.number}]
		if l.x.lastWriter(l.x.blocks[w.cell], i) >= s.born || !added && !s.created {
			if c == again || l.copiesAgain(st.writes[max(0, n-int(r.block)):], s, c) {
				again = c
				continue
			}
			s.noteEvidence("entry %d writes to chunk %d of the COW store again, which an exception names", i, c.number)
		}
	}
}

// copiesAgain reports whether writes fill all of a COW chunk with the origin
// chunk's current content, and that is not the frozen chunk.
func (l *linter) copiesAgain(writes []write, s *store, c *cowChunk) bool {
	o, late := c.owners[0], false
	if len(writes) < len(o.cells) {
		return false
	}
	frozen := s.frozenOf(o)
	for i, at := range o.cells {
		w := writes[i]
		if w.cell != c.cells[i] || w.id != l.x.content[at] {
			return false
		}
		late = late || w.id != frozen[i]
	}
	return late
}
