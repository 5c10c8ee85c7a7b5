// Suspects: the chunks of one device that may have been named twice. A pass
// over all exceptions finds out which ones were, and where.

package chunkset

import (
	"math/bits"
	"slices"
)

// leastSuspects is the limit if there is little memory.
const leastSuspects = 1 << 9

// suspects are mixed chunk numbers.
type suspects struct {
	most   int // may be exceeded by suspects that must be added at once
	list   []uint64
	seen   []uint64 // one bit each, set when the suspect was named
	filter []uint64 // bits chosen by the low ends of the numbers
	index  []uint32 // index of the first suspect by its high end
	shift  int
}

// newSuspects reserves the list at once: growing it would leave several times
// its size as garbage.
func newSuspects(bytes uint64) suspects {
	most := int(max(leastSuspects, bytes/8))
	return suspects{most: most, list: make([]uint64, 0, most)}
}

// sort sorts the suspects and removes duplicates.
func (s *suspects) sort() {
	slices.Sort(s.list)
	s.list = slices.Compact(s.list)
}

// prepare prepares the suspects for queries. It returns false if there are
// none.
func (s *suspects) prepare() bool {
	if len(s.list) == 0 {
		return false
	}
	s.sort()
	s.seen = make([]uint64, len(s.list)/64+1)
	s.filter = make([]uint64, 1<<bits.Len(uint(len(s.list)/4))) // 16 bits each
	width := bits.Len(uint(len(s.list) / 4))
	s.shift = 64 - width
	s.index = make([]uint32, 1<<width+1)
	at := 0
	for i := range s.index {
		for at < len(s.list) && s.high(s.list[at]) < i {
			at++
		}
		s.index[i] = uint32(at)
	}
	for _, m := range s.list {
		*s.filterWord(m) |= 1 << (m & 63)
	}
	return true
}

func (s *suspects) high(m uint64) int { return int(m >> 1 >> (s.shift - 1)) }

func (s *suspects) filterWord(m uint64) *uint64 {
	return &s.filter[m>>6&uint64(len(s.filter)-1)]
}

// mayHave returns true for all suspects and for few other numbers.
func (s *suspects) mayHave(m uint64) bool { return *s.filterWord(m)&(1<<(m&63)) != 0 }

// again reports whether m is a suspect, and again was called with it before.
func (s *suspects) again(m uint64) bool {
	i := s.high(m)
	for at := s.index[i]; at < s.index[i+1]; at++ {
		if s.list[at] == m {
			bit := uint64(1) << (at % 64)
			was := s.seen[at/64]&bit != 0
			s.seen[at/64] |= bit
			return was
		}
	}
	return false
}

func (s *suspects) reset() { *s = suspects{most: s.most, list: s.list[:0]} }
