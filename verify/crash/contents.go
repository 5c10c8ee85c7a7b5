// Other contents that a block of the image may show: writes to the snapshot,
// and what the disk may have kept of the origin when it was frozen.

package crash

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// admits reports whether a block of the image may show content that it did not
// show when the epoch began.
func (s *store) admits(o *originChunk, block int, id blockID) bool {
	if len(o.at) == 0 {
		return s.admitsInOrigin(o, block, id)
	}
	commit, known := s.known[cow.Exception{Old: o.number, New: o.now().number}]
	if s.opt.ReadOnlySnapshot || !known {
		return false
	}
	holder := o.holder()[block]
	if o.before == o.now() {
		if !slices.Contains(s.gives(holder), id) {
			return false
		}
	} else if !slices.ContainsFunc(s.since(holder), func(v version) bool { return v.id == id }) {
		return false // the chunk was allocated in this epoch
	}
	first := version{entry: never}
	if all := s.since(holder); len(all) > 0 {
		first = all[0]
	}
	if first.id != id {
		return s.lenient(s.opt)
	}
	// A first write that is not a copy of the frozen chunk is a write to the
	// snapshot that covered the chunk, unless it holds what the origin had
	// become by then: that is a copy made too late.
	if commit.content == lateContent || id != 0 && s.wroteIn(o.cells[block], id, interval{s.freeze, first.entry}) {
		return false
	}
	return s.lenient(s.opt) || !s.knowsFrozen(o)
}

// admitsInOrigin is admits for a block that is read from the origin. After a
// chunk is merged, writes to the snapshot go there. During a merge, so do
// writes to a chunk that never had an exception, but such a write cannot be
// distinguished from one that needed a copy first.
func (s *store) admitsInOrigin(o *originChunk, block int, id blockID) bool {
	at := o.cells[block]
	if len(s.maybe) > 0 && slices.Contains(s.maybe[s.blocks[at]], id) {
		return true
	}
	if id == 0 && s.opt.DiscardsPassedDown && s.epochDiscards(at) {
		return true
	}
	from, merged := s.cleared[o.number]
	if !merged {
		from = never
	}
	if s.lenient(s.opt) {
		from = min(from, s.merging)
	}
	if from == never {
		return false
	}
	return s.epochWrote(at, id, max(from, s.at))
}

// knowsFrozen reports whether the frozen content of a chunk is known: from the
// base image, or because the log holds all of it. A mark says when the origin
// was frozen, but not that the device was empty before the log began.
func (s *store) knowsFrozen(o *originChunk) bool {
	if s.opt.Base != nil {
		return true
	}
	for _, c := range o.cells {
		if s.firstWriter(s.blocks[c], 0) >= s.freeze {
			return false
		}
	}
	return true
}

// gives are the contents that the epoch's entries give a cell.
func (s *store) gives(c cell) []blockID {
	if list, ok := s.epochGives[c]; ok {
		return list
	}
	var list []blockID
	for entry := range s.writersOf(s.blocks[c], interval{s.at, s.end}) {
		list = append(list, s.given(c, entry))
	}
	if s.epochGives == nil {
		s.epochGives = map[cell][]blockID{}
	}
	s.epochGives[c] = list
	return list
}

// epochWrote reports whether an entry of the epoch, from the given one on, gave
// a cell this content.
func (s *store) epochWrote(c cell, id blockID, from int) bool {
	if from <= s.at {
		return slices.Contains(s.gives(c), id)
	}
	return s.wroteIn(c, id, interval{from, s.end})
}

// epochDiscards reports whether a discard of the epoch covers a cell.
func (s *store) epochDiscards(c cell) bool {
	for entry := range s.writersOf(s.blocks[c], interval{s.at, s.end}) {
		if s.log.Entry(entry).Flags&logwrites.Discard != 0 {
			return true
		}
	}
	return false
}

// since are the contents that a cell was given between the store's creation and
// the end of the epoch.
func (s *store) since(c cell) []version {
	if list, ok := s.givenSince[c]; ok {
		return list
	}
	var list []version
	for entry := range s.writersOf(s.blocks[c], interval{s.born, s.end}) {
		list = append(list, version{entry, s.given(c, entry)})
	}
	if s.givenSince == nil {
		s.givenSince = map[cell][]version{}
	}
	s.givenSince[c] = list
	return list
}
