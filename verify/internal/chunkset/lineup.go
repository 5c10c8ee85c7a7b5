// The lineup: chunks are counted in buckets of equal size, and then put into
// places sized by those counts.

package chunkset

import (
	"iter"
	"math"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const (
	// narrowBits is the largest bucket, in chunks as a power of two, in which
	// a chunk's number takes 16 bits: four to a word.
	narrowBits = 16
	// mostBuckets bounds the memory for counts: 3 MiB.
	mostBuckets = 1 << 18
	// mostWide bounds the number of chunks sorted at once.
	mostWide = 1 << 16
)

// bucket is a run of chunks: how many of them were named, and where in the
// lineup they go.
type bucket struct {
	count uint32 // at most math.MaxUint32
	start uint32
	fill  uint32
}

// counts are the buckets of [from, to).
type counts struct {
	from, to cow.Chunk
	bits     int // chunks to a bucket, as a power of two
	buckets  []bucket
}

func (c *counts) covers(at cow.Chunk) bool { return c.from <= at && at < c.to }

// begin begins to count what lies in [from, to).
func (c *counts) begin(from, to cow.Chunk) {
	c.from, c.to, c.bits = from, to, narrowBits
	for (to-from-1)>>c.bits >= mostBuckets {
		c.bits++
	}
	n := int((to-from-1)>>c.bits) + 1
	if c.buckets = slices.Grow(c.buckets[:0], n)[:n]; n > 0 {
		clear(c.buckets)
	}
}

func (c *counts) take(chunks []cow.Chunk) {
	for _, at := range chunks {
		if at < c.from || at >= c.to {
			continue
		}
		if b := &c.buckets[c.bucketOf(at)]; b.count < math.MaxUint32 {
			b.count++
		}
	}
}

// bucketOf is the number of the bucket that contains at.
func (c *counts) bucketOf(at cow.Chunk) int { return int((at - c.from) >> c.bits) }

// startOf is the start of bucket i, or the end of the last bucket.
func (c *counts) startOf(i int) cow.Chunk {
	if i >= len(c.buckets) {
		return c.to
	}
	return c.from + cow.Chunk(i)<<c.bits
}

func (c *counts) bucketEnd(at cow.Chunk) cow.Chunk { return c.startOf(c.bucketOf(at) + 1) }

// perWord is how many chunks of a bucket fit in a word, as a power of two.
func (c *counts) perWord() int {
	switch {
	case c.bits <= narrowBits:
		return 2
	case c.bits <= 32:
		return 1
	default:
		return 0
	}
}

// window returns the end of the buckets, starting with the one at at, that can
// be lined up in m at once. at must be the start of a bucket. It returns at if
// not even one fits.
func (c *counts) window(at cow.Chunk, m memory) cow.Chunk {
	room := min(uint64(len(m))<<c.perWord(), math.MaxUint32)
	i := c.bucketOf(at)
	for ; i < len(c.buckets); i++ {
		n := uint64(c.buckets[i].count)
		if n > room || c.bits > narrowBits && n > mostWide {
			break
		}
		room -= n
	}
	return c.startOf(i)
}

// lineup holds the chunks of a window, bucket by bucket.
type lineup struct {
	counts   *counts
	from, to cow.Chunk
	first, n int // buckets
	m        memory
}

func newLineup(c *counts, from, to cow.Chunk, m memory) *lineup {
	l := &lineup{counts: c, from: from, to: to, first: c.bucketOf(from), m: m}
	l.n = c.bucketOf(to-1) - l.first + 1
	start := uint32(0)
	for i := range l.buckets() {
		b := &l.buckets()[i]
		b.start, b.fill = start, 0
		start += b.count
	}
	return l
}

func (l *lineup) buckets() []bucket { return l.counts.buckets[l.first : l.first+l.n] }

// take puts those of the chunks, a batch at most, that are in the window into
// their places. If there are more of them than were counted, the store has
// changed, and no answer would be right.
func (l *lineup) take(chunks []cow.Chunk) {
	var taken [batch]cow.Chunk
	var places [batch]uint32
	n := 0
	for _, c := range chunks {
		if c < l.from || c >= l.to {
			continue
		}
		if b := &l.counts.buckets[l.counts.bucketOf(c)]; b.fill < b.count && n < batch {
			taken[n], places[n] = c, b.start+b.fill
			b.fill++
			n++
		}
	}
	per := l.counts.perWord()
	inBucket := uint64(1)<<l.counts.bits - 1
	for i, at := range places[:n] {
		l.m[at>>per] |= uint64(taken[i]-l.counts.from) & inBucket << (at << (6 - per) & 63)
	}
}

// chunks iterates over the chunks in a bucket, as numbers within it.
func (l *lineup) chunks(b bucket) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		per := l.counts.perWord()
		mask := uint64(1)<<(64>>per) - 1
		for at := b.start; at < b.start+b.fill; at++ {
			if !yield(l.m[at>>per] >> (at << (6 - per) & 63) & mask) {
				return
			}
		}
	}
}

// finish yields the gaps of the window. It adds the chunks that were named
// twice to repeated, unless that is nil. It returns how far it got: to the end
// of the window, or to a bucket whose repetitions do not fit.
func (l *lineup) finish(repeated *suspects, yield func(first, end cow.Chunk)) cow.Chunk {
	var a assorted
	for i, b := range l.buckets() {
		first, end := l.counts.startOf(l.first+i), l.counts.startOf(l.first+i+1)
		if b.fill == 0 {
			yield(first, end)
			continue
		}
		if l.counts.bits > narrowBits {
			a.sort(l.chunks(b), first)
		} else {
			a.mark(l.chunks(b), first)
		}
		if repeated != nil && len(a.twice) > 0 {
			// One bucket alone may have more than fit.
			if n := len(repeated.list); n > 0 && n+len(a.twice) > repeated.most {
				return first
			}
			for _, c := range a.twice {
				repeated.list = append(repeated.list, uint64(c))
			}
		}
		if l.counts.bits > narrowBits {
			absentSorted(a.sorted, first, end, yield)
		} else {
			absentBits(a.named[:], first, first, end, yield)
		}
	}
	return l.counts.startOf(l.first + l.n)
}

// assorted holds the chunks of one bucket in order: as bits for a narrow
// bucket, as a list for a wide one.
type assorted struct {
	named  [1 << narrowBits / 64]uint64
	sorted []cow.Chunk
	twice  []cow.Chunk // twice or more often
}

// mark sets the bits of a bucket's chunks; the bucket starts at first.
func (a *assorted) mark(chunks iter.Seq[uint64], first cow.Chunk) {
	clear(a.named[:])
	a.twice = a.twice[:0]
	for c := range chunks {
		if word, bit := &a.named[c/64], uint64(1)<<(c%64); *word&bit == 0 {
			*word |= bit
		} else {
			if len(a.twice) == 2*len(a.named)*64 {
				a.settle() // to half of that at most
			}
			a.twice = append(a.twice, first+cow.Chunk(c))
		}
	}
	a.settle()
}

// sort sorts a bucket's chunks; the bucket starts at first.
func (a *assorted) sort(chunks iter.Seq[uint64], first cow.Chunk) {
	a.sorted, a.twice = a.sorted[:0], a.twice[:0]
	for c := range chunks {
		a.sorted = append(a.sorted, first+cow.Chunk(c))
	}
	slices.Sort(a.sorted)
	for i := 1; i < len(a.sorted); i++ {
		if a.sorted[i] == a.sorted[i-1] {
			a.twice = append(a.twice, a.sorted[i])
		}
	}
	a.sorted = slices.Compact(a.sorted)
	a.settle()
}

// settle removes duplicates from twice.
func (a *assorted) settle() {
	if len(a.twice) > 0 {
		slices.Sort(a.twice)
		a.twice = slices.Compact(a.twice)
	}
}
