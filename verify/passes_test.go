package verify

import (
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestMemoryChangesNoVerdict: the report does not depend on the number of
// passes, except for the order of findings.
func TestMemoryChangesNoVerdict(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, span := range []uint64{1 << 17, 1 << 24, 1 << 32} { // COW chunks
		var list []cow.Exception
		for range thorough.Of(20_000, 60_000) {
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
		if span < 1<<32 && passes != 1 {
			t.Errorf("%d passes with all memory", passes)
		}
		for _, opt.MemoryBytes = range []int64{1, 4 << 20} {
			if diff := cmp.Diff(want, judgeSparse(t, dev, opt)); diff != "" {
				t.Errorf("%d passes over exceptions on %d chunks (-want +got):\n%s", passes, span, diff)
			}
		}
		if span == 1<<32 && passes < 3 {
			t.Errorf("%d passes with next to no memory", passes)
		}
	}
}

// failing is a device on which one area cannot be read in some passes.
type failing struct {
	*sparse
	pass  atomic.Int64
	fails func(pass int64) bool
	at    int64 // bytes
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) && f.fails(f.pass.Load()) {
		return 0, syscall.EIO
	}
	return f.sparse.ReadAt(p, off)
}

// TestPassesOnAFailingDevice: an area that cannot be read in any one of
// several passes is reported. If it can be read in other passes, no chunks are
// reported as leaked because of it.
func TestPassesOnAFailingDevice(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var list []cow.Exception
	for i, at := range random.Perm(1 << 22)[:thorough.Of(4000, 20_000)] {
		list = append(list, cow.Exception{Old: cow.Chunk(random.Uint64N(1<<40))<<16 | cow.Chunk(i), New: cow.Chunk(2 + at*100)})
	}
	dev := newSparse(16<<40).store(t, cowtest.Store{Chunk: chunk4K, Exceptions: list})
	g, err := cow.NewGeometry(chunk4K)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(memory int64, fails func(pass int64) bool) (*Report, int64) {
		f := &failing{sparse: dev, fails: fails, at: int64(g.RecordOffset(10, 0))}
		f.pass.Store(1)
		r, err := Verify(t.Context(), f, f.size, Options{MemoryBytes: memory, Progress: func(p Progress) { f.pass.Store(int64(p.Pass)) }})
		if err != nil {
			t.Fatal(err)
		}
		return r, f.pass.Load()
	}
	lacking, _ := judge(1<<30, func(int64) bool { return true })
	for name, fails := range map[string]func(int64) bool{
		"from the second pass on": func(pass int64) bool { return pass >= 2 },
		"in the first pass":       func(pass int64) bool { return pass < 2 },
		"in all passes":           func(int64) bool { return true },
	} {
		r, passes := judge(1, fails)
		if passes < 2 {
			t.Fatalf("%s: one pass", name)
		}
		if got := r.Counts[UnreadableArea]; got != 1 {
			t.Errorf("unreadable %s: %d unreadable areas, want 1", name, got)
		}
		if name != "from the second pass on" && r.Leaks.Chunks != lacking.Leaks.Chunks {
			t.Errorf("unreadable %s: %d chunks leaked, in one pass %d", name, r.Leaks.Chunks, lacking.Leaks.Chunks)
		}
	}
}
