// Leaks: the data chunks that were allocated and that no exception names.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// MaxRanges bounds the ranges of a report; a store that has more shows the
// first ones, and their true number.
const MaxRanges = 1 << 16

// leakFinder collects the leaked chunks of a store, lowest first.
type leakFinder struct {
	geometry cow.Geometry
	bins     *binner
	runs     runFinder
	leaks    Leaks
	// [first, end) is the run that may still grow.
	first, end cow.Chunk
}

// add takes a run of chunks [first, end) that no exception names. Metadata
// chunks among them are left out. Runs come in ascending order and may touch.
func (f *leakFinder) add(first, end cow.Chunk) {
	if first == f.end {
		f.end = end
		return
	}
	f.settle()
	f.first, f.end = first, end
}

// settle cuts the run into ranges.
func (f *leakFinder) settle() {
	first, end := max(f.first, cow.FirstData), f.end // the header and the first area are no data
	f.leaks.Chunks += f.geometry.DataChunksIn(first, end)
	f.bins.leaked(first, end)
	f.runs.add(first, end)
	for first < end {
		area := f.geometry.AreaOf(first)
		if f.geometry.AreaChunk(area) == first {
			first++
			continue
		}
		if len(f.leaks.Ranges) >= MaxRanges {
			f.leaks.RangesOmitted += f.rangesIn(first, end)
			return
		}
		stop := min(end, f.geometry.AreaChunk(area+1))
		f.leaks.Ranges = append(f.leaks.Ranges, Range{First: first, Last: stop - 1})
		first = stop
	}
}

// rangesIn is the number of ranges of which [first, end) consists.
func (f *leakFinder) rangesIn(first, end cow.Chunk) uint64 {
	if f.geometry.DataChunksIn(first, end) == 0 {
		return 0
	}
	groups := f.geometry.AreaOf(end-1) - f.geometry.AreaOf(first)
	if f.geometry.DataChunksIn(f.geometry.AreaChunk(f.geometry.AreaOf(end-1)), end) > 0 {
		groups++
	}
	return groups
}

// report writes the findings, one to each range, and returns the leaks.
func (f *leakFinder) report(found *findings) Leaks {
	f.settle()
	f.leaks.Bytes = f.leaks.Chunks * f.geometry.ChunkBytes()
	counted, unreadable := uint64(0), found.counts[UnreadableArea] > 0
	for _, r := range f.leaks.Ranges {
		counted += r.Chunks()
		found.note(LeakedChunks, r.Chunks(), func() Finding { return f.finding(r, unreadable) })
	}
	if rest := f.leaks.Chunks - counted; rest > 0 {
		found.counts[LeakedChunks] += rest
	}
	return f.leaks
}

func (f *leakFinder) finding(r Range, unreadable bool) Finding {
	offset, _ := f.geometry.Offset(r.First) // a chunk on the device
	area := f.geometry.AreaOf(r.First)
	bytes := r.Chunks() * f.geometry.ChunkBytes()
	message := fmt.Sprintf("%v leaked: %d bytes that no exception names, lost to the kernel for ever", r, bytes)
	if unreadable {
		message = fmt.Sprintf("%v: %d bytes that no exception names, as far as they could be read: leaked, or named by one that could not", r, bytes)
	}
	return Finding{
		Message: message,
		Offset:  offset,
		Area:    &area,
	}
}
