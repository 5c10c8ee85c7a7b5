package chunkset

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// Seen is the chunks of the two devices that exceptions have named so far. It
// finds duplicates and, at the end, what nobody named. Its sets are bounded in
// memory; where a set could not answer for all chunks, a further pass over the
// same exceptions does, with what Again makes.
type Seen struct {
	bounds   cow.Bounds
	cow      *chunkSet // data chunks of the COW device; metadata chunks are always in it
	metadata *chunkSet // metadata chunks that exceptions name: the header's as 0, area n's as n+1
	origin   *chunkSet
}

// New makes the sets for a first pass in about memory bytes.
func New(b cow.Bounds, memory uint64) *Seen {
	s := &Seen{bounds: b}
	share := newBudget(memory)
	s.cow = newChunkSet(share, s.fillMetadata)
	s.metadata = newChunkSet(share, nil)
	s.origin = newChunkSet(share, nil)
	return s
}

// Complete tells whether this pass has answered for all chunks.
func (s *Seen) Complete() bool {
	return s.cow.complete() && s.metadata.complete() && s.origin.complete()
}

// Again makes the sets for the pass after this one, out of these.
func (s *Seen) Again() *Seen {
	r := &Seen{bounds: s.bounds, cow: s.cow.rest(), metadata: s.metadata.rest(), origin: s.origin.rest()}
	s.cow.budget.sets = []*chunkSet{r.cow, r.metadata, r.origin}
	return r
}

// AddCOW notes a COW chunk and tells whether an exception named it before.
// Chunks that the device does not hold have no duplicates.
func (s *Seen) AddCOW(c cow.Chunk) (was bool) {
	switch {
	case !s.bounds.OnDevice(c):
		return false
	case s.bounds.Geometry.IsMetadata(c):
		return s.metadata.add(s.metadataIndex(c))
	default:
		return s.cow.add(c)
	}
}

// AddCOWRun notes n consecutive data chunks at once. It is false, and has done
// nothing, where one of them was named before or it cannot tell.
func (s *Seen) AddCOWRun(first cow.Chunk, n uint64) bool { return s.cow.addRun(first, n) }

// AddOrigin notes an origin chunk and tells whether an exception named it
// before.
func (s *Seen) AddOrigin(c cow.Chunk) (was bool) { return s.origin.add(c) }

// AddOrigins notes the origin chunks of records in order, and calls repeated
// with those that were named before.
func (s *Seen) AddOrigins(records []byte, repeated func(slot int, e cow.Exception)) {
	s.origin.addOld(records, repeated)
}

// AbsentCOW calls yield for the runs of [first, end) that no exception named,
// as far as this pass answers for them, in order. Neighbouring runs may touch.
func (s *Seen) AbsentCOW(first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	s.cow.absent(first, end, yield)
}

// PresentOrigin calls yield for the runs of origin chunks below end that
// exceptions named, as far as this pass answers for them, in order.
// Neighbouring runs may touch.
func (s *Seen) PresentOrigin(end cow.Chunk, yield func(first, end cow.Chunk)) {
	s.origin.present(end, yield)
}

func (s *Seen) metadataIndex(c cow.Chunk) cow.Chunk {
	if c == 0 {
		return 0
	}
	return cow.Chunk(s.bounds.Geometry.AreaOf(c) + 1)
}

// fillMetadata puts the metadata chunks among those of a new page into it, so
// that a page of which all data chunks are in use is full.
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
