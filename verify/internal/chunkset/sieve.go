// The sieve: a Bloom filter that lets through the origin chunks that may have
// been named before.

package chunkset

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// sieveLoad is the most chunks per word of the filter. With twice as many, a
// tenth of them would get through.
const sieveLoad = 8

// sieve checks the chunks whose mixed numbers are in [from, last]. The number
// of passes depends on the number of chunks and suspects.
type sieve struct {
	suspects *suspects
	all      uint64 // chunks in all passes
	done     bool
	from     uint64
	last     uint64
	filter   memory
	mask     uint64
}

func newSieve(all uint64, s *suspects) *sieve { return &sieve{suspects: s, all: all} }

// begin begins a pass. It returns false if none is needed.
func (s *sieve) begin(m memory) bool {
	if s.done {
		return false
	}
	// Use no more than needed: a smaller filter has fewer cache misses.
	wanted := uint64(1) << bits.Len64(s.all/(sieveLoad*5/4))
	words := min(wanted, 1<<(bits.Len(uint(len(m)))-1))
	s.filter, s.mask = m[:words], words-1
	parts := max(1, s.all/(words*sieveLoad*5/4))
	s.last = math.MaxUint64
	if width := math.MaxUint64 / parts; width < math.MaxUint64-s.from {
		s.last = s.from + width
	}
	return true
}

// takeOld notes the origin chunks of records.
func (s *sieve) takeOld(records []byte) {
	var mixed, words [batch]uint64
	for len(records) >= cow.ExceptionSize {
		n := min(batch, len(records)/cow.ExceptionSize)
		for i := range n {
			m := mix(binary.LittleEndian.Uint64(records[i*cow.ExceptionSize:]))
			mixed[i], words[i] = m, s.filter[m&s.mask]
		}
		records = records[n*cow.ExceptionSize:]
		for i := range n {
			m := mixed[i]
			if m < s.from || m > s.last {
				continue
			}
			if set := bitsOf(m); words[i]&set != set {
				if word := &s.filter[m&s.mask]; *word&set != set { // the batch may have set them
					*word |= set
					continue
				}
			}
			s.suspect(m)
		}
	}
}

// bitsOf returns the four bits of a chunk in its word of the filter. With
// three bits, a quarter more chunks would get through.
func bitsOf(m uint64) uint64 {
	return 1<<(m>>32&63) | 1<<(m>>38&63) | 1<<(m>>44&63) | 1<<(m>>50&63)
}

// suspect adds a chunk that the filter lets through.
func (s *sieve) suspect(m uint64) {
	if len(s.suspects.list) >= s.suspects.most {
		s.crowded()
		if m > s.last {
			return
		}
	}
	s.suspects.list = append(s.suspects.list, m)
}

// crowded makes room for suspects: it leaves the upper half of them to a later
// pass, unless most of them are the same.
func (s *sieve) crowded() {
	s.suspects.sort()
	if n := len(s.suspects.list); n >= s.suspects.most*3/4 {
		s.last = s.suspects.list[n/2] - 1
		s.suspects.list = s.suspects.list[:n/2]
	}
}

// finish ends a pass.
func (s *sieve) finish() {
	s.filter = nil
	if s.done = s.last == math.MaxUint64; !s.done {
		s.from = s.last + 1
	}
}

// mix maps each chunk to a different number. All bits of the number depend on
// all bits of the chunk's number.
func mix(c uint64) uint64 {
	c ^= c >> 33
	c *= 0xff51afd7ed558ccd
	return c ^ c>>29
}
