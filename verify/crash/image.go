// The snapshot's image: what origin and COW store give back together, held
// against what the origin was when it was frozen.

package crash

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// image compares a snapshot, chunk by chunk, with what it must show.
type image struct {
	originChunks []*originChunk
	cowChunks    []*cowChunk
	originOf     map[cow.Chunk]int32
	cowOf        map[cow.Chunk]int32
	originAt     []blockRef // by cell, of the origin's cells

	freeze       int  // the entry before which the origin stood still
	created      bool // the log creates the store
	born         int  // the entry that does, else 0
	frozen       bool // the explorer has come that far
	brokenChunks int
	// wasThere tells that the header was durable before: from then on a
	// store without one is lost.
	wasThere bool
	changed  []*originChunk // since the last epoch began
	assumed  int            // chunks whose first copy was taken to be right
	evidence string         // how the log tells that somebody wrote to the snapshot
	// merging is the entry of the first commit that cleared exceptions;
	// from then on writes to the origin are writes to the snapshot.
	merging int
	// known are the exceptions that the log commits, or that were there at
	// the freeze: nobody writes to the snapshot through any other.
	known map[cow.Exception]commit
	// maybe are further contents that blocks may show: of origin blocks that
	// were written before the freeze and not flushed.
	maybe map[cell][]blockID
}

func newImage() image {
	return image{originOf: map[cow.Chunk]int32{}, cowOf: map[cow.Chunk]int32{}, maybe: map[cell][]blockID{}, known: map[cow.Exception]commit{}, merging: never}
}

// never is the index of no entry.
const never = int(^uint(0) >> 1)

// originChunk is a chunk of the origin and what the snapshot must show of it.
type originChunk struct {
	number  cow.Chunk
	cells   []cell
	want    []blockID
	at      []copied  // the exceptions that name it, the first of the list first
	before  *cowChunk // where it was when the epoch began
	bad     int       // blocks that show something else
	touched bool      // is on the list of changed ones
	assumed bool      // its first copy was taken to be right
	cleared int       // the entry that cleared an exception of it: it was merged
}

// copied is where an exception has an origin chunk.
type copied struct {
	to    *cowChunk
	index uint64 // of the exception
}

// cowChunk is a chunk of the COW device.
type cowChunk struct {
	number cow.Chunk
	cells  []cell
	owners []*originChunk // origin chunks that are copied here
}

// blockRef is a block of an origin chunk.
type blockRef struct {
	chunk *originChunk
	block int32
}

// now is where the image's chunk lies, nil for in the origin. Of two exceptions
// for one chunk the kernel finds that which it read first.
func (o *originChunk) now() *cowChunk {
	if len(o.at) == 0 {
		return nil
	}
	return o.at[0].to
}

// holder is the cells in which the image's chunk lies.
func (o *originChunk) holder() []cell {
	if c := o.now(); c != nil {
		return c.cells
	}
	return o.cells
}

// mapTo notes that an exception came into the list, at index k.
func (s *store) mapTo(e cow.Exception, k uint64) {
	o, c := s.chunksOf(e)
	if o == nil {
		return
	}
	at := len(o.at)
	for at > 0 && o.at[at-1].index > k {
		at--
	}
	o.at = slices.Insert(o.at, at, copied{c, k})
	c.owners = append(c.owners, o)
	s.recount(o)
}

// unmap notes that the exception at index k left the list.
func (s *store) unmap(e cow.Exception, k uint64) {
	o, c := s.chunksOf(e)
	if o == nil {
		return
	}
	o.at = removeLast(o.at, copied{c, k})
	c.owners = removeLast(c.owners, o)
	s.recount(o)
}

func removeLast[T comparable](list []T, x T) []T {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == x {
			return slices.Delete(list, i, i+1)
		}
	}
	return list
}

// chunksOf are the two chunks of an exception, nil where it is out of place:
// then the store is corrupt, and there is no image to speak of.
func (s *store) chunksOf(e cow.Exception) (*originChunk, *cowChunk) {
	if !s.bounds.Fits(e) {
		return nil, nil
	}
	o, c := s.x.bringOrigin(s, e.Old), s.x.bringData(s, e.New)
	if o == nil || c == nil {
		return nil, nil
	}
	return o, c
}

// recount compares all blocks of a chunk.
func (s *store) recount(o *originChunk) {
	holder := o.holder()
	bad := 0
	for i, want := range o.want {
		if id := s.x.disk.content[holder[i]]; id != want && !s.admits(o, i, id) {
			bad++
		}
	}
	s.setBad(o, bad)
}

// setBad notes how many blocks of a chunk are wrong now.
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
		s.seen ^= mix(uint64(o.cells[0])<<32, uint64(o.bad))
	}
	if bad > 0 {
		s.brokenChunks++
		s.seen ^= mix(uint64(o.cells[0])<<32, uint64(bad))
	}
	o.bad = bad
}

// blockChanged compares one block of a chunk that changed.
func (s *store) blockChanged(o *originChunk, block int, was, is blockID) {
	bad := o.bad
	if was != o.want[block] && !s.admits(o, block, was) {
		bad--
	}
	if is != o.want[block] && !s.admits(o, block, is) {
		bad++
	}
	s.setBad(o, bad)
}

// originChanged is told of every block of the origin that changes.
func (s *store) originChanged(c cell, was, is blockID) {
	if int(c) >= len(s.originAt) {
		return
	}
	if r := s.originAt[c]; r.chunk != nil && len(r.chunk.at) == 0 {
		s.blockChanged(r.chunk, int(r.block), was, is)
	}
}

// dataChanged is told of every block of the store's data that changes.
func (s *store) dataChanged(r role, was, is blockID) {
	c := s.cowChunks[r.chunk]
	for i, o := range c.owners {
		if o.now() == c && int(r.block) < len(o.want) && !slices.Contains(c.owners[:i], o) {
			s.blockChanged(o, int(r.block), was, is)
		}
	}
}

// admits tells whether a block of the image may show something that it did not
// show when the epoch began: what was written to the snapshot since then, or
// what the disk may have kept of the origin when it was frozen.
func (s *store) admits(o *originChunk, block int, id blockID) bool {
	if len(o.at) == 0 {
		return s.admitsInOrigin(o, o.cells[block], id)
	}
	x := s.x
	commit, known := s.known[cow.Exception{Old: o.number, New: o.now().number}]
	if x.opt.ReadOnlySnapshot || !known {
		return false
	}
	holder := o.holder()[block]
	from := x.epochStart
	if o.before != o.now() {
		from = s.born // the chunk was allocated in this epoch
	}
	if !x.wrote(holder, id, from) {
		return false
	}
	first := x.firstWrite(holder, s.born)
	if first.id != id {
		return s.lenient()
	}
	// A first write that is no copy of the frozen chunk is a write to the
	// snapshot that covered the chunk, unless it holds what the origin had
	// become by then: then it is a copy that came too late.
	if commit.content == lateContent || id != 0 && x.wroteIn(o.cells[block], id, interval{s.freeze, first.entry}) {
		return false
	}
	if !s.lenient() && s.knowsFrozen(o) {
		return false
	}
	if !o.assumed {
		o.assumed = true
		s.assumed++
	}
	return true
}

// admitsInOrigin is admits for a block that is read from the origin. Once a
// chunk is merged, whoever writes to it writes there. So does who writes, while
// the snapshot merges, to a chunk that never had an exception; but then nothing
// tells such a write from one that should have been preceded by a copy.
func (s *store) admitsInOrigin(o *originChunk, at cell, id blockID) bool {
	if slices.Contains(s.maybe[at], id) {
		return true
	}
	from := o.cleared
	if s.lenient() {
		from = min(from, s.merging)
	}
	return from != never && s.x.wrote(at, id, max(from, s.x.epochStart))
}

// settle makes what the image shows now, with everything durable, what it must
// show from now on.
func (s *store) settle() {
	for _, o := range s.changed {
		o.touched = false
		o.before = o.now()
		if o.bad > 0 || s.state != valid {
			continue // what is broken stays so, and without a snapshot there is no image
		}
		for i, c := range o.holder()[:len(o.want)] {
			o.want[i] = s.x.disk.content[c]
		}
	}
	s.changed = s.changed[:0]
}
