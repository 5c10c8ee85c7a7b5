// Making room: what a chunkSet gives up where the budget is used up, and what
// is left to a further pass.

package chunkset

import (
	"math/bits"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// thin gives up the pages that hold few chunks, and keeps those one by one. It
// is false where that was done before in this pass, or there are none.
func (s *chunkSet) thin() bool {
	if s.thinned {
		return false
	}
	var filled, emptyPage page // what a page holds from the start
	any := false
	for n := range s.directory {
		p := &s.directory[n]
		if p.page == nil || p.page == fullPage || p.n > thinPage+pageSize/2 {
			continue
		}
		own, first := p.n, cow.Chunk(n<<pageBits)
		if s.fill != nil {
			filled = emptyPage
			own -= s.fill(first, &filled)
		}
		if own > thinPage {
			continue
		}
		any = true
		chunks := *p.page
		s.giveBack(p.page)
		*p = place{}
		for w := range chunks {
			for set := chunks[w] &^ filled[w]; set != 0; set &= set - 1 {
				s.keepSingle(first + cow.Chunk(w*64+bits.TrailingZeros64(set)))
			}
		}
	}
	s.thinned = any
	return any
}

// keepSingle adds a chunk whose page was given up a moment ago: there is room.
func (s *chunkSet) keepSingle(c cow.Chunk) {
	i, j, _ := s.single.find(c)
	s.held++
	s.budget.used++
	s.addLeaf(i, j, c)
}

// makeRoom takes a page from the budget for chunk c; it is false where c no
// longer lies in the window after that.
func (s *chunkSet) makeRoom(c cow.Chunk) bool {
	s.budget.take()
	s.held++
	if !s.answersFor(c) {
		s.release()
		return false
	}
	return true
}

// halve drops the upper half of what the set holds, and the window's upper
// end with it.
func (s *chunkSet) halve() {
	at := s.middle()
	s.dropFrom(at)
	s.dropped = append(s.dropped, drop{from: at, to: s.to, bounded: s.bounded, added: s.added})
	s.bounded, s.to = true, at
}

// middle is the chunk from which on half of the memory lies. It is the first
// of a page, so that a page lies in the window whole, or far.
func (s *chunkSet) middle() cow.Chunk {
	keep, i := s.held/2, 0
	for n, p := range s.directory {
		first := cow.Chunk(n << pageBits)
		for ; i < len(s.single) && s.single[i].first < first+pageSize; i++ {
			if keep == 0 {
				return s.advance(first)
			}
			keep--
		}
		if p.page == nil || p.page == fullPage {
			continue
		}
		if keep == 0 {
			return s.advance(first)
		}
		keep--
	}
	return s.single[i+int(keep)].first
}

// advance is first, or the first chunk of the page behind it where the window
// would end before it begins. (Few leaves begin in the same page: crowded ones
// become one.)
func (s *chunkSet) advance(first cow.Chunk) cow.Chunk {
	if first > s.from {
		return first
	}
	return first + pageSize
}

// dropFrom drops the chunks from at on: the first of a page, or a far one.
func (s *chunkSet) dropFrom(at cow.Chunk) {
	s.single.dropFrom(at, s.giveBack)
	for n := uint64(at) >> pageBits; n < uint64(len(s.directory)); n++ {
		if p := s.directory[n].page; p != nil && p != fullPage {
			s.giveBack(p)
		}
		s.directory[n] = place{}
	}
}

// giveBack gives a page of this set to whichever needs one.
func (s *chunkSet) giveBack(p *page) {
	s.budget.spare = append(s.budget.spare, p)
	s.release()
}

func (s *chunkSet) release() {
	s.held--
	s.budget.used--
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
	r.directory, r.single = s.directory, s.single[:0]
	return r
}
