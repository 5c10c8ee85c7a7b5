// A set of chunk numbers: a paged bitmap.

package chunkset

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const (
	// directoryPages bounds the page numbers that are found by index in the
	// paged bitmap. A chunk above them (8 TiB into a device with chunks of 4
	// KiB) is far.
	directoryPages = 1 << 16
	// mostFar bounds the number of far chunks, which are kept one by one: a
	// damaged store has a few.
	mostFar = 1 << 13

	placeCost = 16 // bytes of memory for a page's place in the directory
	farCost   = 64 // bytes of memory for a far chunk, at most
)

// set is a set of chunk numbers. A page is created with its first chunk, and
// gives its memory back when it is full. If a set gets no memory, it is lost:
// it drops everything and gives no more answers.
type set struct {
	arena     *arena
	directory []place // by page number
	far       map[cow.Chunk]bool
	held      uint64 // pages of memory
	lost      bool

	// fill puts the chunks that are always in the set into a new page and
	// returns their number. It may be nil.
	fill func(first cow.Chunk, p *page) int
}

// add puts a chunk into the set and reports whether it was there before.
func (s *set) add(c cow.Chunk) (was bool) {
	if n := uint64(c) >> pageBits; n < uint64(len(s.directory)) {
		if p := &s.directory[n]; p.page != nil {
			return s.set(p, c)
		}
	}
	return s.addAnew(c)
}

// addOld adds the old chunks of records in order, and calls repeated for the
// records whose chunk was already there. It returns the number of records it
// answered for: all, unless the set is lost. Most of the judge's time is spent
// in this loop. If the origin was written at random, each chunk is at another
// place in memory, and several accesses must be under way at once.
func (s *set) addOld(records []byte, repeated func(slot int, e cow.Exception)) (answered uint64) {
	directory := s.directory
	for at := 0; at+cow.ExceptionSize <= len(records); at += cow.ExceptionSize {
		c := binary.LittleEndian.Uint64(records[at:])
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
		if s.add(cow.Chunk(c)) {
			repeated(at/cow.ExceptionSize, cow.DecodeException(records[at:]))
		}
		if s.lost {
			return uint64(at / cow.ExceptionSize)
		}
		directory = s.directory
	}
	return uint64(len(records) / cow.ExceptionSize)
}

// takeOld adds the old chunks of records that are below end. It returns the
// highest of them, or high if that is higher, and the number of chunks that are
// not below end. As in addOld, several accesses to memory must be under way at
// once.
func (s *set) takeOld(records []byte, end, high cow.Chunk) (highest cow.Chunk, beyond uint64) {
	directory := s.directory
	for ; len(records) >= cow.ExceptionSize; records = records[cow.ExceptionSize:] {
		c := binary.LittleEndian.Uint64(records)
		if c >= uint64(end) {
			beyond++
			continue
		}
		high = max(high, cow.Chunk(c))
		if n := c >> pageBits; n < uint64(len(directory)) && directory[n].mark(c) {
			continue
		}
		s.add(cow.Chunk(c))
		directory = s.directory
	}
	return high, beyond
}

// set sets the bit of c in p, its page.
func (s *set) set(p *place, c cow.Chunk) (was bool) {
	word, bit := &p.page[uint64(c)>>6%pageWords], uint64(1)<<(c&63)
	if *word&bit != 0 {
		return true
	}
	*word |= bit
	if p.n++; p.n == pageSize {
		s.collapse(p)
	}
	return false
}

// collapse frees the memory of a page that is full.
func (s *set) collapse(p *place) {
	s.arena.giveBack(p.page)
	s.held--
	setFull()
	p.page = fullPage
}

// addAnew is add for chunks that are far or whose page does not exist yet.
func (s *set) addAnew(c cow.Chunk) (was bool) {
	if s.lost {
		return false
	}
	n := uint64(c) >> pageBits
	if n >= directoryPages {
		return s.addFar(c)
	}
	p := s.pageFor(n)
	if p == nil {
		return false
	}
	return s.set(p, c)
}

func (s *set) addFar(c cow.Chunk) (was bool) {
	switch {
	case s.far[c]:
		return true
	case len(s.far) == mostFar:
		s.lose()
		return false
	case s.far == nil:
		s.far = map[cow.Chunk]bool{}
	}
	s.far[c] = true
	s.arena.extra += farCost
	return false
}

// pageFor returns the place of page n and creates the page if necessary. It
// returns nil if there is no memory for it.
func (s *set) pageFor(n uint64) *place {
	if n >= uint64(len(s.directory)) {
		s.growDirectory(n + 1)
	}
	p := &s.directory[n]
	if p.page != nil {
		return p
	}
	memory := s.arena.page()
	switch {
	case s.lost: // lost to make room
		if memory != nil {
			s.arena.giveBack(memory)
		}
		return nil
	case memory == nil:
		s.lose()
		return nil
	}
	s.held++
	p.page = memory
	if s.fill != nil {
		p.n = s.fill(cow.Chunk(n<<pageBits), memory)
	}
	return p
}

// growDirectory makes the directory hold at least n pages.
func (s *set) growDirectory(n uint64) {
	have := uint64(len(s.directory))
	n = min(directoryPages, max(n, have+have/4+64))
	s.arena.extra += (n - have) * placeCost
	grown := make([]place, n)
	copy(grown, s.directory)
	s.directory = grown
}

func (s *set) holds() uint64 { return s.held }

// lose drops everything in the set.
func (s *set) lose() {
	for _, p := range s.directory {
		if p.page != nil && p.page != fullPage {
			s.arena.giveBack(p.page)
		}
	}
	s.arena.extra -= uint64(len(s.directory))*placeCost + uint64(len(s.far))*farCost
	s.directory, s.far, s.held, s.lost = nil, nil, 0, true
}

// addRun adds n consecutive chunks at once. If one of them was already there,
// or if it cannot know that, it does nothing and returns false.
func (s *set) addRun(first cow.Chunk, n uint64) bool {
	end := first + cow.Chunk(n)
	if s.lost || n == 0 || end < first || uint64(end-1)>>pageBits >= directoryPages {
		return false
	}
	firstPage, lastPage := uint64(first)>>pageBits, uint64(end-1)>>pageBits
	for i := firstPage; i <= lastPage; i++ {
		p := s.pageFor(i)
		if p == nil || !p.isFree(clip(first, end, i)) {
			return false
		}
	}
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

// absent calls yield for the runs of [first, end) that are not in the set, in
// order. Neighbouring runs may touch.
func (s *set) absent(first, end cow.Chunk, yield func(first, end cow.Chunk)) {
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
	absentSorted(slices.Sorted(maps.Keys(s.far)), first, end, yield)
}

// named calls yield for the runs of chunks that are in the set, in order.
// Neighbouring runs may touch.
func (s *set) named(yield func(first, end cow.Chunk)) {
	for n, p := range s.directory {
		base := cow.Chunk(n) << pageBits
		switch p.page {
		case nil:
		case fullPage:
			yield(base, base+pageSize)
		default:
			p.named(base, yield)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(s.far)) {
		yield(c, c+1)
	}
}

// absentSorted calls yield for the runs of [first, end) between chunks, which
// are in ascending order.
func absentSorted(chunks []cow.Chunk, first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	for _, c := range chunks {
		if c >= end {
			break
		}
		if c < first {
			continue
		}
		if first < c {
			yield(first, c)
		}
		first = c + 1
	}
	if first < end {
		yield(first, end)
	}
}
