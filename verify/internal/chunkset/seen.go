// Seen: the first pass. For almost all stores it is the only one.

package chunkset

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// Seen holds the chunks of the two devices that exceptions have named so far.
type Seen struct {
	bounds   cow.Bounds
	arena    *arena
	cow      set // data chunks of the COW device; metadata chunks are always in it
	metadata set // metadata chunks that exceptions name: the header's as 0, area n's as n+1
	origin   set
	highest  cow.Chunk // named, on the COW device

	exceptions uint64 // taken so far
	// The sets reported the repetitions of this many exceptions: all, unless
	// lost.
	cowTold, originTold uint64
}

// New makes the sets for a first pass in about memoryBytes.
func New(b cow.Bounds, memoryBytes uint64) *Seen {
	s := &Seen{bounds: b, arena: newArena(memoryBytes)}
	s.cow = set{arena: s.arena, fill: s.fillMetadata}
	s.metadata = set{arena: s.arena}
	s.origin = set{arena: s.arena}
	s.arena.users = []user{&s.cow, &s.metadata, &s.origin}
	return s
}

// Complete reports whether this pass has answered for all chunks so far. Rest
// answers for the others.
func (s *Seen) Complete() bool { return !s.cowLost() && !s.origin.lost }

func (s *Seen) cowLost() bool { return s.cow.lost || s.metadata.lost }

// Add notes the chunks of an exception and reports which of them an earlier
// exception named. Chunks that are not on the device have no repetitions.
func (s *Seen) Add(e cow.Exception) (cowRepeated, originRepeated bool) {
	cowRepeated, originRepeated = s.addCOW(e.New), s.origin.add(e.Old)
	answered := uint64(1)
	if s.origin.lost {
		answered = 0
	}
	s.took(1, answered)
	return cowRepeated, originRepeated
}

func (s *Seen) addCOW(c cow.Chunk) (was bool) {
	if !s.bounds.OnDevice(c) {
		return false
	}
	s.highest = max(s.highest, c)
	switch {
	case s.cowLost():
		return false
	case s.bounds.Geometry.IsMetadata(c):
		return s.metadata.add(s.metadataIndex(c))
	default:
		return s.cow.add(c)
	}
}

// AddRun notes the exceptions in records, whose COW chunks are consecutive
// data chunks starting at first. It calls repeated for those whose origin
// chunk an earlier exception named. If a COW chunk was named before, or if it
// cannot know that, it does nothing and returns false.
func (s *Seen) AddRun(first cow.Chunk, records []byte, repeated func(slot int, e cow.Exception)) bool {
	n := uint64(len(records)) / cow.ExceptionSize
	if s.cowLost() || !s.cow.addRun(first, n) {
		return false
	}
	s.highest = max(s.highest, first+cow.Chunk(n-1))
	s.took(n, s.origin.addOld(records, repeated))
	return true
}

// took counts n exceptions. The origin's set has reported the repetitions of
// the first byOrigin of them; the COW device's sets of all, or of none if they
// are lost.
func (s *Seen) took(n, byOrigin uint64) {
	if s.originTold == s.exceptions {
		s.originTold += byOrigin
	}
	if s.cowTold == s.exceptions && !s.cowLost() {
		s.cowTold += n
	}
	s.exceptions += n
}

// AbsentCOW calls yield for the runs of [first, end) that no exception named,
// in order, unless a later pass finds them. Neighbouring runs may touch.
func (s *Seen) AbsentCOW(first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	if !s.cowLost() {
		s.cow.absent(first, end, yield)
	}
}

func (s *Seen) metadataIndex(c cow.Chunk) cow.Chunk {
	if c == 0 {
		return 0
	}
	return cow.Chunk(s.bounds.Geometry.AreaOf(c) + 1)
}

// fillMetadata marks the metadata chunks in a new page, so that a page whose
// data chunks are all in use is full.
func (s *Seen) fillMetadata(first cow.Chunk, p *page) (n int) {
	put := func(c cow.Chunk) {
		p[(c-first)/64] |= 1 << ((c - first) % 64)
		n++
	}
	g := s.bounds.Geometry
	area := uint64(0)
	if first == 0 {
		put(0)
	} else if area = g.AreaOf(first); g.AreaChunk(area) < first {
		area++
	}
	for ; g.AreaChunk(area) < first+pageSize; area++ {
		put(g.AreaChunk(area))
	}
	return n
}
