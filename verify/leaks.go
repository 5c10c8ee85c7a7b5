// Leaks: data chunks that are allocated but not named by any exception. What the
// kernel counts as allocated is cow.Bounds.Allocated.

package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// MaxRanges bounds the ranges in a report. A store with more shows the first
// ones and the true number.
const MaxRanges = 1 << 16

// leakFinder collects the leaked chunks of a store, lowest first.
type leakFinder struct {
	geometry cow.Geometry
	bins     *binner
	largest  largestRanges
	leaks    Leaks
	// [first, end) is the run that may still grow.
	first, end cow.Chunk
	group      group // of the previous range; the next is mostly in the same one
}

// group is an area's chunk and the data chunks behind it, up to the next
// area's.
type group struct{ area, end cow.Chunk }

func groupOf(g cow.Geometry, c cow.Chunk) group {
	area := g.AreaOf(c)
	return group{g.AreaChunk(area), g.AreaChunk(area + 1)}
}

func (g group) holds(c cow.Chunk) bool { return g.area <= c && c < g.end }

// add takes a run of chunks [first, end) that no exception names. It leaves out
// metadata chunks. Runs come in ascending order and may touch.
func (f *leakFinder) add(first, end cow.Chunk) {
	if first == f.end {
		f.end = end
		return
	}
	f.settle()
	f.first, f.end = first, end
}

// settle cuts the run into ranges; none spans the chunk of an area.
func (f *leakFinder) settle() {
	first, end := max(f.first, cow.FirstData), f.end // the header and the first area are not data
	f.first, f.end = 0, 0
	f.bins.leaked(first, end)
	for first < end {
		if !f.group.holds(first) {
			first = f.skip(first, end)
			f.group = groupOf(f.geometry, first)
		}
		if stop := min(end, f.group.end); max(first, f.group.area+1) < stop {
			f.keep(Range{First: max(first, f.group.area+1), Last: stop - 1})
		}
		first = f.group.end
	}
}

// skip counts the whole groups at the start of [first, end) at once, if neither
// the ranges nor the largest ones need them one by one. It returns the first
// chunk that is left.
func (f *leakFinder) skip(first, end cow.Chunk) cow.Chunk {
	area := f.geometry.AreaOf(first)
	whole := f.geometry.AreaOf(end-1) - area
	if len(f.leaks.Ranges) < MaxRanges || f.geometry.AreaChunk(area) != first || f.largest.takes(f.geometry.ExceptionsPerArea()) {
		return first
	}
	f.leaks.RangesOmitted += whole
	f.leaks.Chunks += whole * f.geometry.ExceptionsPerArea()
	return f.geometry.AreaChunk(area + whole)
}

func (f *leakFinder) keep(r Range) {
	f.leaks.Chunks += r.Chunks()
	f.largest.add(r)
	if len(f.leaks.Ranges) < MaxRanges {
		f.leaks.Ranges = append(f.leaks.Ranges, r)
	} else {
		f.leaks.RangesOmitted++
	}
}

// total is the number of chunks that no exception names.
func (f *leakFinder) total() uint64 {
	f.settle()
	return f.leaks.Chunks
}

// report writes one finding per range, and returns the leaks.
func (f *leakFinder) report(found *findings) Leaks {
	f.settle()
	f.leaks.Bytes = int64(f.leaks.Chunks) * f.geometry.ChunkBytes()
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
	bytes := int64(r.Chunks()) * f.geometry.ChunkBytes()
	message := fmt.Sprintf("%v leaked: %d bytes that no exception names; the kernel never uses them again", r, bytes)
	if unreadable {
		message = fmt.Sprintf("%v: %d bytes that no exception names, as far as they could be read: leaked, or named by one that could not", r, bytes)
	}
	return Finding{
		Message: message,
		Offset:  offset,
		Area:    &area,
	}
}

// MaxLargest bounds LargestLeaks in a report for pictures.
const MaxLargest = 12

// LargestRanges returns the n largest of ranges, in their order.
func LargestRanges(ranges []Range, n int) []Range {
	bySize := slices.Clone(ranges)
	slices.SortStableFunc(bySize, func(a, b Range) int { return cmp.Compare(b.Chunks(), a.Chunks()) })
	bySize = bySize[:min(n, len(bySize))]
	slices.SortFunc(bySize, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return bySize
}

// largestRanges keeps the largest of the ranges, which come in ascending order.
type largestRanges struct {
	kept  []Range
	least uint64 // chunks of the smallest of them
}

// takes reports whether a range of this many chunks would be kept.
func (l *largestRanges) takes(chunks uint64) bool {
	return len(l.kept) < MaxLargest || chunks > l.least
}

func (l *largestRanges) add(r Range) {
	if !l.takes(r.Chunks()) {
		return
	}
	l.kept = LargestRanges(append(l.kept, r), MaxLargest)
	l.least = slices.MinFunc(l.kept, func(a, b Range) int { return cmp.Compare(a.Chunks(), b.Chunks()) }).Chunks()
}
