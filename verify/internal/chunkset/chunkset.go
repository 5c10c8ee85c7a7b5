// A set of chunk numbers for stores of any size: a paged bitmap with a cap.

package chunkset

import (
	"encoding/binary"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const (
	// directoryPages bounds the numbers that are found by index in the paged
	// bitmap. A chunk above them (32 TiB into a device with chunks of 4 KiB)
	// is far: far chunks are kept one by one.
	directoryPages = 1 << 18

	pageCost  = pageWords * 8 // bytes of memory to a page
	placeCost = 16            // bytes of memory to a page's place in the directory
	thinPage  = pageWords / 4 // chunks up to which a page's take much less memory one by one
)

// chunkSet is a set of chunk numbers with a bound on its memory.
//
// Pages come into being where chunks do, and one that fills up gives its
// memory back. A set that has to make room first gives up the pages that hold
// few chunks, and keeps those, and all that come without a page, one by one.
// If that does not help it drops its higher half and from
// then on answers only for the numbers below, its window [from, to); a
// further pass over the same chunks, with the set that rest makes, answers for
// the others.
type chunkSet struct {
	budget    *budget
	from, to  cow.Chunk
	bounded   bool    // whether to bounds the window
	idle      bool    // the window is empty: earlier passes have answered for all
	directory []place // by page number
	single    leaves  // chunks that have no page: far ones, and others once thinned is set
	thinned   bool    // new pages are made of crowded leaves only
	held      uint64  // pages of memory, leaves included

	// added is the set's clock: chunks that were added, those outside the
	// window included. A further pass counts the same.
	added   uint64
	dropped []drop

	// fill gives a new page the chunks that are in the set from the start and
	// returns their number; it may be nil.
	fill func(first cow.Chunk, p *page) int
}

// drop says that the chunks [from, to) left the window when the set's clock
// stood at added: what was added up to then was answered for.
type drop struct {
	from, to cow.Chunk
	bounded  bool // whether to bounds the chunks
	added    uint64
}

// newChunkSet makes a set that answers for all chunks, on a budget.
func newChunkSet(b *budget, fill func(cow.Chunk, *page) int) *chunkSet {
	s := &chunkSet{budget: b, fill: fill}
	b.sets = append(b.sets, s)
	return s
}

// answersFor tells whether c lies in the window.
func (s *chunkSet) answersFor(c cow.Chunk) bool {
	return !s.idle && c >= s.from && (!s.bounded || c < s.to)
}

// complete tells whether no chunk is left to a further pass.
func (s *chunkSet) complete() bool { return s.idle || !s.bounded }

// add puts a chunk into the set and tells whether it was there before, unless
// an earlier pass has told that of the same chunk already. A chunk outside the
// window is passed over, and was not there.
func (s *chunkSet) add(c cow.Chunk) (was bool) {
	s.added++
	return s.addUncounted(c)
}

func (s *chunkSet) addUncounted(c cow.Chunk) (was bool) {
	// A page that is there lies in the window whole.
	if n := uint64(c) >> pageBits; n < uint64(len(s.directory)) {
		if p := &s.directory[n]; p.page != nil {
			return s.set(p, c)
		}
	}
	return s.addAnew(c)
}

// addOld adds the old chunks of records, in order, and calls repeated with the
// slots of those that add would have said were there. It is what most of the
// judge's time goes into: where an origin was written to at random, each chunk
// is a visit to another place in memory, and the loop keeps several under way.
func (s *chunkSet) addOld(records []byte, repeated func(slot int, e cow.Exception)) {
	directory := s.directory
	for at := 0; at+cow.ExceptionSize <= len(records); at += cow.ExceptionSize {
		c := binary.LittleEndian.Uint64(records[at:])
		s.added++
		if n := c >> pageBits; n < uint64(len(directory)) {
			if p := &directory[n]; p.page != nil {
				word, bit := &p.page[c>>6%pageWords], uint64(1)<<(c&63)
				if old := *word; old&bit == 0 && p.n < pageSize-1 {
					*word = old | bit
					p.n++
					continue
				}
			}
		}
		if s.addUncounted(cow.Chunk(c)) {
			repeated(at/cow.ExceptionSize, cow.DecodeException(records[at:]))
		}
		directory = s.directory
	}
}

// set sets the bit of c in p, its page.
func (s *chunkSet) set(p *place, c cow.Chunk) (was bool) {
	word, bit := &p.page[uint64(c)>>6%pageWords], uint64(1)<<(c&63)
	if *word&bit != 0 {
		return !s.told(c)
	}
	*word |= bit
	if p.n++; p.n == pageSize {
		s.collapse(p)
	}
	return false
}

// told tells whether an earlier pass has answered for the addition of c that
// is under way.
func (s *chunkSet) told(c cow.Chunk) bool {
	for _, d := range s.dropped {
		if c >= d.from && (!d.bounded || c < d.to) && s.added <= d.added {
			return true
		}
	}
	return false
}

// collapse gives back the memory of a page that has filled up.
func (s *chunkSet) collapse(p *place) {
	s.giveBack(p.page)
	p.page = fullPage
}

// addAnew is add for chunks whose page is not there, or full, or far.
func (s *chunkSet) addAnew(c cow.Chunk) (was bool) {
	if !s.answersFor(c) {
		return false
	}
	if n := uint64(c) >> pageBits; n < directoryPages {
		if p := s.pageFor(n); p.page != nil {
			return s.set(p, c)
		}
		if !s.answersFor(c) {
			return false
		}
	}
	return s.addSingle(c)
}

// pageFor is the place of page n, which is made where it is not there. The
// place is empty where the set makes no pages any more, or had to drop the
// numbers of that page to stay in its bound.
func (s *chunkSet) pageFor(n uint64) *place {
	first := cow.Chunk(n << pageBits)
	if n >= uint64(len(s.directory)) {
		s.growDirectory(n + 1)
	}
	p := &s.directory[n]
	if p.page != nil || s.thinned || !s.makeRoom(first) {
		return p
	}
	if s.thinned { // to make the room
		s.release()
		return p
	}
	s.openPage(n, s.budget.page())
	return p
}

// openPage makes p, all zero, page n.
func (s *chunkSet) openPage(n uint64, p *page) {
	s.directory[n] = place{page: p}
	if s.fill != nil {
		s.directory[n].n = s.fill(cow.Chunk(n<<pageBits), p)
	}
}

// growDirectory makes the directory hold n pages or more.
func (s *chunkSet) growDirectory(n uint64) {
	have := uint64(len(s.directory))
	n = min(directoryPages, max(n, have+have/4+64))
	s.budget.takeDirectory((n - have) * placeCost)
	grown := make([]place, n)
	copy(grown, s.directory)
	s.directory = grown
}

// addSingle adds a chunk that has no page.
func (s *chunkSet) addSingle(c cow.Chunk) (was bool) {
	i, j, was := s.single.find(c)
	if was {
		return !s.told(c)
	}
	if i, j, ok := s.single.roomFor(i, j); ok {
		s.single.insert(i, j, c)
		return false
	}
	if !s.makeRoom(c) {
		return false
	}
	i, j, _ = s.single.find(c) // making room may have moved it
	if i < len(s.single) && s.single[i].full() {
		if n, ok := s.single.crowded(i); ok {
			s.gather(n, s.budget.page())
			return s.addUncounted(c)
		}
	}
	s.addLeaf(i, j, c)
	return false
}

// addLeaf puts c at place j of leaf i by a leaf that the budget has room for.
func (s *chunkSet) addLeaf(i, j int, c cow.Chunk) {
	if at, k, ok := s.single.roomFor(i, j); ok {
		s.single.insert(at, k, c)
		s.release()
		return
	}
	s.single.addLeaf(i, j, c, s.budget.page())
}

// gather makes p page n, of the chunks that were kept one by one.
func (s *chunkSet) gather(n uint64, p *page) {
	s.openPage(n, p)
	at, first := &s.directory[n], cow.Chunk(n<<pageBits)
	s.single.cut(first, first+pageSize, func(c cow.Chunk) {
		p[uint64(c)>>6%pageWords] |= 1 << (c & 63)
		at.n++
	}, s.giveBack)
	if at.n == pageSize {
		s.collapse(at)
	}
}

// addRun puts n consecutive chunks into the set at once. It is false, and has
// done nothing, where one of them was there already or it cannot tell.
func (s *chunkSet) addRun(first cow.Chunk, n uint64) bool {
	end := first + cow.Chunk(n)
	if n == 0 || end < first || !s.answersFor(first) || uint64(end-1)>>pageBits >= directoryPages {
		return false
	}
	firstPage, lastPage := uint64(first)>>pageBits, uint64(end-1)>>pageBits
	for i := firstPage; i <= lastPage; i++ {
		p := s.pageFor(i)
		if p.page == nil || !p.isFree(clip(first, end, i)) {
			return false
		}
	}
	if !s.answersFor(end - 1) {
		return false // a later page of the run cost an earlier one its place
	}
	for i := firstPage; i < lastPage; i++ {
		if s.directory[i].page == nil {
			return false // the same
		}
	}
	s.added += n
	for i := firstPage; i <= lastPage; i++ {
		p := &s.directory[i]
		from, to := clip(first, end, i)
		p.setRun(from, to)
		if p.n += int(to - from); p.n == pageSize {
			s.collapse(p)
		}
	}
	return true
}

// absent calls yield for the runs [first, end) of chunks that are not in the
// set, in order, within both the window and [first, end). Neighbouring runs
// may touch.
func (s *chunkSet) absent(first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	if s.idle {
		return
	}
	first = max(first, s.from)
	if s.bounded {
		end = min(end, s.to)
	}
	paged := min(end, cow.Chunk(uint64(len(s.directory))<<pageBits))
	for first < paged {
		n := uint64(first) >> pageBits
		pageEnd := min(paged, cow.Chunk((n+1)<<pageBits))
		switch p := s.directory[n].page; p {
		case nil:
			s.single.absent(first, pageEnd, yield)
		case fullPage:
		default:
			p.absent(cow.Chunk(n<<pageBits), first, pageEnd, yield)
		}
		first = pageEnd
	}
	if first < end {
		s.single.absent(first, end, yield)
	}
}

// present calls yield for the runs of chunks below end that are in the set, in
// order, within the window. Neighbouring runs may touch.
func (s *chunkSet) present(end cow.Chunk, yield func(first, end cow.Chunk)) {
	if s.idle {
		return
	}
	at := s.from
	if s.bounded {
		end = min(end, s.to)
	}
	s.absent(at, end, func(first, behind cow.Chunk) {
		if at < first {
			yield(at, first)
		}
		at = behind
	})
	if at < end {
		yield(at, end)
	}
}
