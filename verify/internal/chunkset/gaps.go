// The gaps: the ranges between the named COW chunks, and the chunks that were
// named twice, from the lowest chunk to the highest.

package chunkset

import (
	"encoding/binary"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// batch is how many chunks are taken at once. Each visits another place in
// memory, and all these visits start before the first one is waited for.
const batch = 32

// gaps are found window by window, in ascending order. Counting determines the
// size of a window, unless a bitmap of everything that is left fits in memory.
type gaps struct {
	repeated *suspects // chunks that were named twice; nil if they are not wanted
	first    cow.Chunk // start of the range in which gaps are wanted
	limit    cow.Chunk // end of that range
	at, end  cow.Chunk // below at everything is answered; from end on nothing is wanted
	to       cow.Chunk // the end of the current window
	counts   counts
	// The current pass uses one of these, or counts.
	bitmap memory
	lineup *lineup
}

func newGaps(first, limit, highest cow.Chunk, repeated *suspects) *gaps {
	return &gaps{repeated: repeated, first: first, limit: limit, end: max(limit, highest+1)}
}

// begin begins a pass. It returns false if none is needed. It also returns
// false if m is nil and chunks cannot just be counted: then a later pass finds
// the gaps.
func (g *gaps) begin(m memory) bool {
	g.bitmap, g.lineup = nil, nil
	if g.at >= g.end {
		return false
	}
	chunks := cow.Chunk(len(m) * 64)
	counted := g.counts.covers(g.at)
	if counted {
		g.to = g.counts.window(g.at, m)
	}
	switch {
	case g.end-g.at <= chunks:
		g.bitmap, g.to = m, g.end
	case !counted:
		g.to = g.at
		g.counts.begin(g.at, g.end)
	case m == nil:
		return false
	case g.to > g.at:
		g.lineup = newLineup(&g.counts, g.at, g.to, m)
	case g.counts.bucketEnd(g.at)-g.at <= chunks:
		g.bitmap, g.to = m, g.counts.bucketEnd(g.at)
	default: // too many in one bucket: count within it
		g.counts.begin(g.at, g.counts.bucketEnd(g.at))
	}
	return true
}

// takeNew notes the COW chunks of records that are on the device.
func (g *gaps) takeNew(records []byte, b cow.Bounds) {
	var chunks [batch]cow.Chunk
	for len(records) >= cow.ExceptionSize {
		n := 0
		for i := range min(batch, len(records)/cow.ExceptionSize) {
			c := cow.Chunk(binary.LittleEndian.Uint64(records[i*cow.ExceptionSize+8:]))
			if b.OnDevice(c) {
				chunks[n] = c
				n++
			}
		}
		g.take(chunks[:n])
		records = records[min(batch*cow.ExceptionSize, len(records)):]
	}
}

// take notes up to a batch of chunks.
func (g *gaps) take(chunks []cow.Chunk) {
	switch {
	case g.bitmap != nil:
		for _, c := range chunks {
			if c >= g.at && c < g.to {
				g.setBit(c)
			}
		}
	case g.lineup != nil:
		g.lineup.take(chunks)
	default:
		g.counts.take(chunks)
	}
}

func (g *gaps) setBit(c cow.Chunk) {
	word, bit := &g.bitmap[(c-g.at)/64], uint64(1)<<((c-g.at)%64)
	if *word&bit == 0 {
		*word |= bit
		return
	}
	if g.repeated == nil {
		return
	}
	if len(g.repeated.list) >= g.repeated.most {
		g.crowded()
		if c >= g.to {
			return
		}
	}
	g.repeated.list = append(g.repeated.list, uint64(c))
}

// crowded makes room for repeated chunks: it leaves the upper half of them,
// and everything above, to a later pass, unless most of them are the same.
func (g *gaps) crowded() {
	g.repeated.sort()
	if n := len(g.repeated.list); n >= g.repeated.most*3/4 {
		g.to = cow.Chunk(g.repeated.list[n/2])
		g.repeated.list = g.repeated.list[:n/2]
	}
}

// finish ends a pass and yields the gaps of its window.
func (g *gaps) finish(yield func(first, end cow.Chunk)) {
	wanted := func(first, end cow.Chunk) {
		if first, end = max(first, g.first), min(end, g.limit); first < end {
			yield(first, end)
		}
	}
	switch {
	case g.bitmap != nil:
		absentBits(g.bitmap, g.at, g.at, g.to, wanted)
		g.at = g.to
	case g.lineup != nil:
		g.at = g.lineup.finish(g.repeated, wanted)
	}
	g.bitmap, g.lineup = nil, nil
	if g.repeated == nil {
		return
	}
	for i, c := range g.repeated.list { // suspects are stored as mixed numbers
		g.repeated.list[i] = mix(c)
	}
}
