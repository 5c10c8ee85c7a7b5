// Runs: leaked chunks as a picture calls them out.

package verify

import (
	"cmp"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// MaxLeakRuns bounds the runs that a report for pictures has.
const MaxLeakRuns = 12

// LeakRun is a run of leaked chunks from First to Last, a metadata chunk among
// them or not: what one crash left in one place.
type LeakRun struct {
	First, Last cow.Chunk
	Chunks      uint64 // of data
}

// LargestRuns are the n largest of runs, in their order.
func LargestRuns(runs []LeakRun, n int) []LeakRun {
	bySize := slices.Clone(runs)
	slices.SortStableFunc(bySize, func(a, b LeakRun) int { return cmp.Compare(b.Chunks, a.Chunks) })
	bySize = bySize[:min(n, len(bySize))]
	slices.SortFunc(bySize, func(a, b LeakRun) int { return cmp.Compare(a.First, b.First) })
	return bySize
}

// runFinder joins leaked chunks to runs, lowest first, and keeps the largest.
type runFinder struct {
	geometry cow.Geometry
	open     LeakRun // the run that may still grow, if it has chunks
	count    uint64
	largest  []LeakRun
	least    uint64 // chunks of the smallest of them
}

// add takes leaked chunks [first, end), metadata chunks among them or not.
func (f *runFinder) add(first, end cow.Chunk) {
	for first < end && f.geometry.IsMetadata(first) {
		first++
	}
	for first < end && f.geometry.IsMetadata(end-1) {
		end--
	}
	if first == end {
		return
	}
	more := f.geometry.DataChunksIn(first, end)
	if f.open.Chunks > 0 && f.geometry.DataChunksIn(f.open.Last+1, first) == 0 {
		f.open.Last, f.open.Chunks = end-1, f.open.Chunks+more
		return
	}
	f.settle()
	f.open = LeakRun{first, end - 1, more}
}

// settle ends the open run.
func (f *runFinder) settle() {
	r := f.open
	f.open = LeakRun{}
	if r.Chunks == 0 {
		return
	}
	f.count++
	if len(f.largest) == MaxLeakRuns && r.Chunks <= f.least {
		return
	}
	f.largest = LargestRuns(append(f.largest, r), MaxLeakRuns)
	f.least = slices.MinFunc(f.largest, func(a, b LeakRun) int { return cmp.Compare(a.Chunks, b.Chunks) }).Chunks
}
