// The snapshot's image: what the origin and the COW store show together,
// compared with the origin when it was frozen.

package crash

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// image compares a snapshot, chunk by chunk, with what it must show. Chunks
// that are not tracked are as they must be.
type image struct {
	byOld, byNew names // the list's exceptions

	originChunks []*originChunk
	cowChunks    []*cowChunk
	originOf     map[cow.Chunk]int32
	cowOf        map[cow.Chunk]int32
	originAt     []blockRef // by cell, of the origin's cells

	frozen       bool // the explorer has reached the freeze
	brokenChunks int
	// wasThere says that the header was durable before: from then on, a store
	// without a header is lost.
	wasThere bool
	changed  []*originChunk // since the last epoch began
	sweep    uint64         // changes of data

	// For the current epoch: the contents that it gives cells, and those that
	// cells were given since the store was created.
	epochGives map[cell][]blockID
	givenSince map[cell][]version
}

func newImage() image {
	return image{byOld: newNames(), byNew: newNames(), originOf: map[cow.Chunk]int32{}, cowOf: map[cow.Chunk]int32{}}
}

// bringOrigin makes the cells of a chunk of the origin and of its copies. It
// returns nil after an error.
func (s *store) bringOrigin(chunk cow.Chunk) *originChunk {
	if i, ok := s.originOf[chunk]; ok {
		return s.originChunks[i]
	}
	first := s.layout.origin.first + uint64(chunk)*s.perChunk
	cells := s.originCells(first, min(s.perChunk, s.layout.origin.end-first))
	if cells == nil {
		return nil
	}
	o := &originChunk{number: chunk, cells: cells, want: make([]blockID, len(cells))}
	for block, c := range cells {
		for int(c) >= len(s.originAt) {
			s.originAt = append(s.originAt, blockRef{})
		}
		s.originAt[c] = blockRef{o, int32(block)}
	}
	s.originOf[chunk] = int32(len(s.originChunks))
	s.originChunks = append(s.originChunks, o)
	for _, k := range s.byOld.of(chunk) {
		if c := s.bringData(s.ledger.At(int(k)).New); c != nil {
			o.at = append(o.at, copied{c, uint64(k)})
			c.owners = append(c.owners, o)
		}
	}
	o.before = o.now()
	for i, c := range o.holder()[:len(o.want)] {
		o.want[i] = s.durable[c]
	}
	return o
}

// originCells are the cells of blocks of the origin. Other stores may have made
// them already, in chunks of another size.
func (s *store) originCells(first, n uint64) []cell {
	cells := make([]cell, 0, n)
	for at := first; at < first+n; {
		if c, ok := s.cells[at]; ok {
			cells = append(cells, c)
			at++
			continue
		}
		end := at + 1
		for ; end < first+n; end++ {
			if _, ok := s.cells[end]; ok {
				break
			}
		}
		fresh := s.bring(at, end-at, role{place: inOrigin})
		if fresh == nil {
			return nil
		}
		cells = append(cells, fresh...)
		at = end
	}
	return cells
}

// bringData makes the cells of a chunk of the store's data, and of the origin
// chunks that exceptions put there. It returns nil after an error, and for a
// chunk that holds no data.
func (s *store) bringData(chunk cow.Chunk) *cowChunk {
	if i, ok := s.cowOf[chunk]; ok {
		return s.cowChunks[i]
	}
	if !s.bounds.OnDevice(chunk) || s.geometry().IsMetadata(chunk) {
		return nil
	}
	i := int32(len(s.cowChunks))
	cells := s.bring(s.blockOf(chunk), s.perChunk, role{place: inData, store: s.index, chunk: i})
	if cells == nil {
		return nil
	}
	c := &cowChunk{number: chunk, cells: cells}
	s.cowChunks = append(s.cowChunks, c)
	s.cowOf[chunk] = i
	for _, k := range s.byNew.of(chunk) {
		if e := s.ledger.At(int(k)); s.bounds.Fits(e) {
			s.bringOrigin(e.Old) // which makes itself an owner
		}
	}
	return c
}

// brought reports whether one of an exception's chunks is tracked.
func (s *store) brought(e cow.Exception) bool {
	_, origin := s.originOf[e.Old]
	_, data := s.cowOf[e.New]
	return origin || data
}

// mapTo takes in an exception that joined the list at index k.
func (s *store) mapTo(e cow.Exception, k uint64) {
	if !s.bounds.Fits(e) {
		return // the store is corrupt and has no image
	}
	if s.frozen || s.brought(e) {
		o, c := s.bringOrigin(e.Old), s.bringData(e.New)
		if o == nil || c == nil {
			return
		}
		at := len(o.at)
		for at > 0 && o.at[at-1].index > k {
			at--
		}
		o.at = slices.Insert(o.at, at, copied{c, k})
		c.owners = append(c.owners, o)
		if at == 0 { // otherwise the chunk is still read from where it was
			s.recount(o)
		}
	}
	s.byOld.add(e.Old, k)
	s.byNew.add(e.New, k)
}

// unmap takes in that the exception at index k left the list.
func (s *store) unmap(e cow.Exception, k uint64) {
	if !s.bounds.Fits(e) {
		return
	}
	if s.frozen || s.brought(e) {
		o, c := s.bringOrigin(e.Old), s.bringData(e.New)
		if o == nil || c == nil {
			return
		}
		was := o.at[0]
		o.at = removeLast(o.at, copied{c, k})
		c.owners = removeLast(c.owners, o)
		if len(o.at) == 0 || o.at[0] != was {
			s.recount(o)
		}
	}
	s.byOld.remove(e.Old, k)
	s.byNew.remove(e.New, k)
}

func removeLast[T comparable](list []T, x T) []T {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == x {
			return slices.Delete(list, i, i+1)
		}
	}
	return list
}

// chunksOf are the two chunks of an exception, or nil if it is out of place.
func (s *store) chunksOf(e cow.Exception) (*originChunk, *cowChunk) {
	if !s.bounds.Fits(e) {
		return nil, nil
	}
	o, c := s.bringOrigin(e.Old), s.bringData(e.New)
	if o == nil || c == nil {
		return nil, nil
	}
	return o, c
}

// recount compares all blocks of a chunk.
func (s *store) recount(o *originChunk) {
	if !s.frozen {
		return
	}
	holder := o.holder()
	bad := 0
	for i, want := range o.want {
		if id := s.content[holder[i]]; id != want && !s.admits(o, i, id) {
			bad++
		}
	}
	s.setBad(o, bad)
}

// setBad records how many blocks of a chunk are wrong now.
func (s *store) setBad(o *originChunk, bad int) {
	if !o.touched {
		o.touched = true
		s.changed = append(s.changed, o)
	}
	if bad == o.bad {
		return
	}
	if o.bad > 0 {
		s.brokenChunks--
		s.seen ^= mix(uint64(o.number)<<8|3, uint64(o.bad))
	}
	if bad > 0 {
		s.brokenChunks++
		s.seen ^= mix(uint64(o.number)<<8|3, uint64(bad))
	}
	o.bad = bad
}

// blockChanged compares one changed block of a chunk.
func (s *store) blockChanged(o *originChunk, block int, was, is blockID) {
	if !s.frozen {
		return
	}
	bad := o.bad
	if was != o.want[block] && !s.admits(o, block, was) {
		bad--
	}
	if is != o.want[block] && !s.admits(o, block, is) {
		bad++
	}
	s.setBad(o, bad)
}

// originChanged is called for every block of the origin that changes.
func (s *store) originChanged(c cell, was, is blockID) {
	if int(c) >= len(s.originAt) {
		return
	}
	if r := s.originAt[c]; r.chunk != nil && len(r.chunk.at) == 0 {
		s.blockChanged(r.chunk, int(r.block), was, is)
	}
}

// dataChanged is called for every block of the store's data that changes.
func (s *store) dataChanged(r role, was, is blockID) {
	c := s.cowChunks[r.chunk]
	s.sweep++
	for _, o := range c.owners { // with a damaged list, a chunk may own it many times
		if o.swept != s.sweep && o.now() == c && int(r.block) < len(o.want) {
			s.blockChanged(o, int(r.block), was, is)
		}
		o.swept = s.sweep
	}
}

// settle makes what the image shows now, with everything durable, what it must
// show from now on.
func (s *store) settle() {
	for _, o := range s.changed {
		o.touched = false
		o.before = o.now()
		if o.bad > 0 || s.state != valid {
			continue // broken chunks stay broken, and without a snapshot there is no image
		}
		for i, c := range o.holder()[:len(o.want)] {
			o.want[i] = s.content[c]
		}
	}
	s.changed = s.changed[:0]
	s.epochGives, s.givenSince = nil, nil
}

func (s *store) geometry() cow.Geometry { return s.bounds.Geometry }
