// Chunks seen: which chunks of the two devices exceptions have named so far.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// chunksSeen finds duplicates and, at the end, what nobody named. Its sets are
// bounded in memory; where a set could not answer for all chunks, a further
// pass does, with chunksSeen made by again.
type chunksSeen struct {
	Bounds
	cow      *chunkSet // data chunks of the COW device; metadata chunks are always in it
	metadata *chunkSet // metadata chunks that exceptions name: the header's as 0, area n's as n+1
	origin   *chunkSet
}

// newChunksSeen makes the sets for a first pass in about memory bytes.
func newChunksSeen(b Bounds, memory uint64) *chunksSeen {
	s := &chunksSeen{Bounds: b}
	share := newBudget(memory)
	s.cow = newChunkSet(share, s.fillMetadata)
	s.metadata = newChunkSet(share, nil)
	s.origin = newChunkSet(share, nil)
	return s
}

// complete tells whether this pass has answered for all chunks.
func (s *chunksSeen) complete() bool {
	return s.cow.complete() && s.metadata.complete() && s.origin.complete()
}

// again makes the sets for the pass after this one, out of these.
func (s *chunksSeen) again() *chunksSeen {
	r := &chunksSeen{Bounds: s.Bounds, cow: s.cow.rest(), metadata: s.metadata.rest(), origin: s.origin.rest()}
	s.cow.budget.sets = []*chunkSet{r.cow, r.metadata, r.origin}
	return r
}

// addCOW notes a COW chunk and tells whether an exception named it before.
// Chunks that the device does not hold have no duplicates.
func (s *chunksSeen) addCOW(c cow.Chunk) (was bool) {
	switch {
	case !s.OnDevice(c):
		return false
	case s.Geometry.IsMetadata(c):
		return s.metadata.add(s.metadataIndex(c))
	default:
		return s.cow.add(c)
	}
}

func (s *chunksSeen) metadataIndex(c cow.Chunk) cow.Chunk {
	if c == 0 {
		return 0
	}
	return cow.Chunk(s.Geometry.AreaOf(c) + 1)
}

// fillMetadata puts the metadata chunks among those of a new page into it, so
// that a page of which all data chunks are in use is full.
func (s *chunksSeen) fillMetadata(first cow.Chunk, p *page) (n int) {
	put := func(c cow.Chunk) {
		p[(c-first)/64] |= 1 << ((c - first) % 64)
		n++
	}
	area := uint64(0)
	if first == 0 {
		put(0)
	} else if area = s.Geometry.AreaOf(first); s.Geometry.AreaChunk(area) < first {
		area++
	}
	for ; s.Geometry.AreaChunk(area) < first+pageSize; area++ {
		put(s.Geometry.AreaChunk(area))
	}
	return n
}
