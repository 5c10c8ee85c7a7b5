package verify

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestMemoryChangesNoVerdict: in however many passes a store is judged, the
// report is the same but for the order of findings.
func TestMemoryChangesNoVerdict(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, span := range []uint64{1 << 17, 1 << 24, 1 << 32} { // COW chunks
		var list []cow.Exception
		for range 60_000 {
			e := cow.Exception{Old: cow.Chunk(random.Uint64N(span)), New: cow.Chunk(2 + random.Uint64N(span))}
			switch random.IntN(50) {
			case 0: // an area's place
				e.New = 1 + 257*(e.New/(257*64))
			case 1:
				e.Old = cow.Chunk(random.Uint64())
			}
			list = append(list, e)
		}
		dev := newSparse(16<<40).store(t, cowtest.Store{Chunk: chunk4K, Exceptions: list})
		passes := 0
		opt := Options{MaxFindings: -1, Bins: 100, Progress: func(p Progress) { passes = p.Pass }}
		want := judgeSparse(t, dev, opt)
		if passes != 1 {
			t.Errorf("%d passes with all memory", passes)
		}
		opt.Memory = 1
		if diff := cmp.Diff(want, judgeSparse(t, dev, opt)); diff != "" {
			t.Errorf("%d passes over exceptions on %d chunks (-want +got):\n%s", passes, span, diff)
		}
		if span == 1<<32 && passes < 3 {
			t.Errorf("%d passes with next to no memory", passes)
		}
	}
}
