// A set of chunk numbers for stores of any size: a paged bitmap with a cap.

package verify

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const (
	// directoryPages bounds the numbers that are found by index in the paged
	// bitmap. A chunk above them (32 TiB into a device with chunks of 4 KiB)
	// is far: far chunks are kept one by one.
	directoryPages = 1 << 18

	pageCost = pageWords * 8 // bytes of memory to a page
	farCost  = 40            // bytes of memory to a far chunk
)

// chunkSet is a set of chunk numbers with a bound on its memory.
//
// Pages come into being where chunks do, and one that fills up gives its
// memory back. A set that has to make room drops its higher half and from
// then on answers only for the numbers below, its window [from, to); a
// further pass over the same chunks, with the set that rest makes, answers for
// the others.
type chunkSet struct {
	budget    *budget
	from, to  cow.Chunk
	bounded   bool    // whether to bounds the window
	idle      bool    // the window is empty: earlier passes have answered for all
	directory []place // by page number
	far       map[cow.Chunk]struct{}
	bytes     uint64

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
	s.budget.giveBack(p.page)
	s.release(pageCost)
	p.page = fullPage
}

func (s *chunkSet) release(bytes uint64) {
	s.bytes -= bytes
	s.budget.used -= bytes
}

// addAnew is add for chunks whose page is not there, or full, or far.
func (s *chunkSet) addAnew(c cow.Chunk) (was bool) {
	if !s.answersFor(c) {
		return false
	}
	n := uint64(c) >> pageBits
	if n >= directoryPages {
		return s.addFar(c)
	}
	p := s.pageFor(n)
	if p.page == nil {
		return false
	}
	return s.set(p, c)
}

// pageFor is the place of page n, which is made where it is not there. The
// place is empty where the set had to drop the numbers of that page to stay in
// its bound.
func (s *chunkSet) pageFor(n uint64) *place {
	first := cow.Chunk(n << pageBits)
	if n >= uint64(len(s.directory)) {
		s.growDirectory(n + 1)
	}
	p := &s.directory[n]
	if p.page != nil || !s.makeRoom(pageCost, first) {
		return p
	}
	*p = place{page: s.budget.page()}
	if s.fill != nil {
		p.n = s.fill(first, p.page)
	}
	return p
}

// growDirectory makes the directory hold n pages or more. Its memory, at most
// 4 MiB, is not in the budget.
func (s *chunkSet) growDirectory(n uint64) {
	s.directory = slices.Grow(s.directory, int(n)-len(s.directory))
	s.directory = s.directory[:min(cap(s.directory), directoryPages)]
}

func (s *chunkSet) addFar(c cow.Chunk) (was bool) {
	if _, was := s.far[c]; was {
		return !s.told(c)
	}
	if !s.makeRoom(farCost, c) {
		return false
	}
	if s.far == nil {
		s.far = make(map[cow.Chunk]struct{})
	}
	s.far[c] = struct{}{}
	return false
}

// makeRoom takes cost bytes for chunk c from the budget; it is false where c
// no longer lies in the window after that.
func (s *chunkSet) makeRoom(cost uint64, c cow.Chunk) bool {
	s.budget.take(cost)
	s.bytes += cost
	if !s.answersFor(c) {
		s.release(cost)
		return false
	}
	return true
}

// halve drops the upper half of what the set holds, and the window's upper
// end with it.
func (s *chunkSet) halve() {
	if len(s.far) > 0 {
		chunks := slices.Sorted(maps.Keys(s.far))
		upper := chunks[len(chunks)/2:]
		for _, c := range upper {
			delete(s.far, c)
		}
		s.release(farCost * uint64(len(upper)))
		s.endWindowAt(upper[0])
		return
	}
	keep := s.bytes / pageCost / 2
	for n, p := range s.directory {
		if p.page == nil || p.page == fullPage {
			continue
		}
		if keep > 0 {
			keep--
			continue
		}
		s.dropFrom(n)
		s.endWindowAt(cow.Chunk(n << pageBits))
		return
	}
}

// endWindowAt takes the chunks from to on out of the window.
func (s *chunkSet) endWindowAt(to cow.Chunk) {
	s.dropped = append(s.dropped, drop{from: to, to: s.to, bounded: s.bounded, added: s.added})
	s.bounded, s.to = true, to
}

// dropFrom drops the pages from n on.
func (s *chunkSet) dropFrom(n int) {
	for i, p := range s.directory[n:] {
		if p.page != nil && p.page != fullPage {
			s.budget.giveBack(p.page)
			s.release(pageCost)
		}
		s.directory[n+i] = place{}
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
			yield(first, pageEnd)
		case fullPage:
		default:
			p.absent(cow.Chunk(n<<pageBits), first, pageEnd, yield)
		}
		first = pageEnd
	}
	for _, c := range slices.Sorted(maps.Keys(s.far)) {
		if c >= end {
			break
		}
		if first < c {
			yield(first, c)
		}
		first = max(first, c+1)
	}
	if first < end {
		yield(first, end)
	}
}

// rest is the set for the pass that follows: empty, and answering for what
// this one did not. It takes over the memory of this one, which is of no use
// any more.
func (s *chunkSet) rest() *chunkSet {
	r := &chunkSet{budget: s.budget, fill: s.fill, idle: s.complete(), from: s.to}
	for _, d := range s.dropped {
		if !d.bounded || d.to > r.from {
			r.dropped = append(r.dropped, d)
		}
	}
	s.dropFrom(0)
	s.release(farCost * uint64(len(s.far)))
	r.directory = s.directory
	return r
}
