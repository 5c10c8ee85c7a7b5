// A page: the bitmap of a run of chunks. Sets consist of pages.

package chunkset

import (
	"math/bits"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const (
	pageBits  = 15 // chunks to a page, as a power of two: 4 KiB of bitmap
	pageSize  = 1 << pageBits
	pageWords = pageSize / 64
	pageBytes = pageWords * 8
)

// page is the bitmap of pageSize chunks.
type page [pageWords]uint64

// place is where a set keeps a page, or nil if there is none, and the number
// of bits set in it. (The count is not in the page, because then each addition
// would touch two places in memory.)
type place struct {
	*page
	n int
}

// fullPage stands for every page with all bits set, once setFull was called.
// It is compared by address.
var fullPage = new(page)

var setFull = sync.OnceFunc(func() { fullPage.setRun(0, pageSize) })

// clip is the part of [first, end) in page n, as bit numbers of the page.
func clip(first, end cow.Chunk, n uint64) (from, to uint64) {
	base := n << pageBits
	return max(uint64(first), base) - base, min(uint64(end)-base, pageSize)
}

// mask is the bits of word w that are in [from, to).
func mask(w, from, to uint64) uint64 {
	m := ^uint64(0)
	if from > w*64 {
		m <<= from - w*64
	}
	if to < w*64+64 {
		m &= 1<<(to-w*64) - 1
	}
	return m
}

func (p *page) isFree(from, to uint64) bool {
	for w := from / 64; w*64 < to; w++ {
		if p[w]&mask(w, from, to) != 0 {
			return false
		}
	}
	return true
}

func (p *page) setRun(from, to uint64) {
	for w := from / 64; w*64 < to; w++ {
		p[w] |= mask(w, from, to)
	}
}

// mark sets the bit of c, a chunk of this page. It returns false and does nothing
// if the page does not exist, the bit is set, or it is the last one that is not.
func (p *place) mark(c uint64) bool {
	if p.page == nil {
		return false
	}
	word, bit := &p.page[c>>6%pageWords], uint64(1)<<(c&63)
	old := *word
	if old&bit != 0 || p.n == pageSize-1 {
		return false
	}
	*word = old | bit
	p.n++
	return true
}

// named calls yield for the runs of chunks whose bits are set. The first chunk of
// the page is base.
func (p *page) named(base cow.Chunk, yield func(first, end cow.Chunk)) {
	first, end := 0, 0 // a run that may continue in the next word
	for w, left := range p {
		for left != 0 {
			from := bits.TrailingZeros64(left)
			to := from + bits.TrailingZeros64(^(left >> from))
			left = left >> to << to // nothing, if to is 64
			if w*64+from > end {
				if first < end {
					yield(base+cow.Chunk(first), base+cow.Chunk(end))
				}
				first = w*64 + from
			}
			end = w*64 + to
		}
	}
	if first < end {
		yield(base+cow.Chunk(first), base+cow.Chunk(end))
	}
}

// absent is set.absent for one page, whose first chunk is base.
func (p *page) absent(base, first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	absentBits(p[:], base, first, end, yield)
}

// absentBits calls yield for the runs of [first, end) whose bits are not set;
// the bit of base is the first.
func absentBits(p []uint64, base, first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	for first < end {
		bit := uint64(first - base)
		free := ^p[bit/64] >> (bit % 64)
		if free == 0 {
			first += cow.Chunk(64 - bit%64)
			continue
		}
		start := first + cow.Chunk(bits.TrailingZeros64(free))
		stop := start
		for stop < end {
			bit := uint64(stop - base)
			if used := p[bit/64] >> (bit % 64); used != 0 {
				stop += cow.Chunk(bits.TrailingZeros64(used))
				break
			}
			stop += cow.Chunk(64 - bit%64)
		}
		if start, stop = min(start, end), min(stop, end); start < stop {
			yield(start, stop)
		}
		first = stop
	}
}
