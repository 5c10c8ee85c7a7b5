// Suspects: the chunks of one device that may have been named twice. A pass
// over all exceptions tells which were, and where.

package chunkset

import (
	"math/bits"
	"slices"
)

// leastSuspects is how many there may be, however little memory there is.
const leastSuspects = 1 << 9

// suspects are mixed chunk numbers.
type suspects struct {
	most   int // may be exceeded by what must be added at once
	list   []uint64
	seen   []uint64 // a bit for each, once it was named
	filter []uint64 // of bits for their low ends
	index  []uint32 // the first by its high end
	shift  int
}

// newSuspects reserves the list at once: growing it would leave a multiple of
// it as garbage.
func newSuspects(bytes uint64) suspects {
	most := int(max(leastSuspects, bytes/8))
	return suspects{most: most, list: make([]uint64, 0, most)}
}

// sort brings them in ascending order and leaves out what is there twice.
func (s *suspects) sort() {
	slices.Sort(s.list)
	s.list = slices.Compact(s.list)
}

// prepare makes them ready to be asked for; it is false where there are none.
func (s *suspects) prepare() bool {
	if len(s.list) == 0 {
		return false
	}
	s.sort()
	s.seen = make([]uint64, len(s.list)/64+1)
	s.filter = make([]uint64, 1<<bits.Len(uint(len(s.list)/4))) // 16 bits to each
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

// mayHave is true for all of them, and for few others.
func (s *suspects) mayHave(m uint64) bool { return *s.filterWord(m)&(1<<(m&63)) != 0 }

// again reports whether m is one of them and was asked for before.
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
