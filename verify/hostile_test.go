package verify

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// sparse is a device of any size. Only what was written takes memory.
type sparse struct {
	size   int64
	blocks map[int64][]byte // of 4096 bytes
	fail   map[int64]error  // blocks that cannot be read
}

func newSparse(size int64) *sparse {
	return &sparse{size: size, blocks: map[int64][]byte{}, fail: map[int64]error{}}
}

func (s *sparse) WriteAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		block, at := (off+int64(done))/4096, (off+int64(done))%4096
		if s.blocks[block] == nil {
			s.blocks[block] = make([]byte, 4096)
		}
		done += copy(s.blocks[block][at:], p[done:])
	}
	return len(p), nil
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		if off+int64(done) >= s.size {
			return done, io.EOF
		}
		block, at := (off+int64(done))/4096, (off+int64(done))%4096
		if err := s.fail[block]; err != nil {
			return done, err
		}
		n := min(len(p)-done, 4096-int(at))
		clear(p[done : done+n])
		copy(p[done:done+n], s.blocks[block][min(int(at), len(s.blocks[block])):])
		done += n
	}
	return len(p), nil
}

func (s *sparse) store(t *testing.T, c cowtest.Store) *sparse {
	t.Helper()
	if err := c.Write(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func judgeSparse(t *testing.T, s *sparse, opt Options) *Report {
	t.Helper()
	r, err := Verify(context.Background(), s, s.size, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHostileStoreOf16TiB has exceptions all over a sparse device and beyond.
// No memory is allocated for the places they claim, and the gaps between them
// are counted without visiting each chunk.
func TestHostileStoreOf16TiB(t *testing.T) {
	const size = 16 << 40
	var wild []cow.Exception
	for i := range cow.Chunk(600) {
		wild = append(wild, cow.Exception{Old: 1<<55 + i<<32, New: 2 + i*(1<<32/600)}, cow.Exception{Old: i << 47, New: 1<<55 + i})
	}
	dev := newSparse(size).store(t, cowtest.Store{Chunk: chunk4K, Exceptions: wild})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := judgeSparse(t, dev, Options{})
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 80<<20 {
		t.Errorf("%d MiB were allocated", taken>>20)
	}
	onMetadata := uint64(0)
	g, _ := cow.NewGeometry(chunk4K)
	for _, e := range wild {
		if e.New < size/4096 && g.IsMetadata(e.New) {
			onMetadata++
		}
	}
	want := map[Code]uint64{
		ChunkBeyondDevice: 600, DuplicateOriginChunk: 1, // 256<<47 is 1<<55
		LeakedChunks: g.DataChunksIn(2, size/4096) - (600 - onMetadata),
	}
	if onMetadata > 0 {
		want[ChunkIsMetadata] = onMetadata
	}
	if diff := cmp.Diff(want, r.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if len(r.Leaks.Ranges) != MaxRanges {
		t.Errorf("%d ranges are kept, want %d", len(r.Leaks.Ranges), MaxRanges)
	}
	shown := uint64(0)
	for _, r := range r.Leaks.Ranges {
		shown += r.Chunks()
	}
	// Every group of an area is a range at least, and every wild chunk cuts one.
	groups := g.AreaOf(size/4096-1) + 1
	if all := uint64(len(r.Leaks.Ranges)) + r.Leaks.RangesOmitted; all < groups || all > groups+600 {
		t.Errorf("%d ranges in all, of %d groups", all, groups)
	}
	if shown > r.Leaks.Chunks {
		t.Errorf("ranges of %d chunks, but %d leaked", shown, r.Leaks.Chunks)
	}
}

// TestRangesOmittedAreCounted compares the arithmetic for ranges that are not
// kept with finding them one by one.
func TestRangesOmittedAreCounted(t *testing.T) {
	g, _ := cow.NewGeometry(1) // areas at 1, 34, 67, …
	for _, run := range []struct{ First, End cow.Chunk }{{2, 34}, {33, 36}, {34, 35}, {2, 2000}, {34, 2000}, {40, 68}, {40, 67}, {35, 35}, {33, 35}, {0, 2}, {1, 100}} {
		want, chunks := uint64(0), uint64(0)
		for c, open := run.First, false; c < run.End; c++ {
			if data := !g.IsMetadata(c); data {
				chunks++
				if !open {
					want++
				}
				open = true
			} else {
				open = false
			}
		}
		one := leakFinder{geometry: g}
		one.add(run.First, run.End)
		one.settle()
		many := leakFinder{geometry: g}
		many.leaks.Ranges = make([]Range, MaxRanges)
		many.add(run.First, run.End)
		many.settle()
		if n := uint64(len(one.leaks.Ranges)); n != want || one.leaks.Chunks != chunks {
			t.Errorf("[%d, %d): %d ranges of %d chunks, want %d of %d", run.First, run.End, n, one.leaks.Chunks, want, chunks)
		}
		if many.leaks.RangesOmitted != want || many.leaks.Chunks != chunks {
			t.Errorf("[%d, %d) behind many: %d ranges of %d chunks omitted, want %d of %d", run.First, run.End, many.leaks.RangesOmitted, many.leaks.Chunks, want, chunks)
		}
		if diff := cmp.Diff(LargestRanges(one.leaks.Ranges, MaxLargest), one.largest.kept, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("[%d, %d): largest (-want +got):\n%s", run.First, run.End, diff)
		}
	}
}

// TestEndlessListEnds: a device full of exceptions that all claim the same
// chunks is read to its end, and no further.
func TestEndlessListEnds(t *testing.T) {
	image := cow.NewHeader(1).AppendTo(nil)
	record := cow.Exception{Old: math.MaxUint64, New: 5}.AppendTo(nil)
	for len(image) < 1<<20 {
		image = append(image, record...)
	}
	r := judgeImage(t, image, Options{MaxFindings: 3})
	if r.Counts[TruncatedArea] != 1 || r.Usage.Exceptions != 63*32 {
		t.Errorf("counts %v, usage %+v", r.Counts, r.Usage)
	}
	total := uint64(0)
	for _, n := range r.Counts {
		total += n
	}
	leakFindings := uint64(len(r.Leaks.Ranges))
	if want := total - r.Counts[LeakedChunks] + leakFindings; uint64(len(r.Findings)) != 3 || r.Omitted+3 != want {
		t.Errorf("%d findings shown, %d omitted, of %d", len(r.Findings), r.Omitted, want)
	}
}

// TestUnreadableBlocks: an area is read around its bad blocks.
func TestUnreadableBlocks(t *testing.T) {
	const chunk = cow.Sectors(32) // 16 KiB: 1024 exceptions in four blocks
	tests := []struct {
		name       string
		exceptions int
		bad        []int64 // blocks of 4096 bytes from the first area on
		want       map[Code]uint64
		read       uint64 // exceptions
		areas      uint64
	}{
		{"the middle of an area", 1024 + 10, []int64{1}, map[Code]uint64{UnreadableArea: 1, LeakedChunks: 256}, 1024 + 10 - 256, 2},
		{"two blocks of one area", 1024 + 10, []int64{1, 3}, map[Code]uint64{UnreadableArea: 1, LeakedChunks: 512}, 1024 + 10 - 512, 2},
		{"an area whole, with more behind", 2048 + 10, []int64{0, 1, 2, 3}, map[Code]uint64{UnreadableArea: 1, LeakedChunks: 1024}, 1024 + 10, 3},
		{"the block of the terminator, with nothing behind", 1024 - 10, []int64{3}, map[Code]uint64{UnreadableArea: 1}, 768, 1},
		{"behind the terminator", 10, []int64{2}, map[Code]uint64{UnreadableArea: 1}, 10, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dev := newSparse(64<<20).store(t, cowtest.Store{Chunk: chunk, Exceptions: cowtest.Canonical(chunk, cowtest.Run(3, tt.exceptions)...)})
			for _, b := range tt.bad {
				dev.fail[4+b] = syscall.EIO
			}
			r := judgeSparse(t, dev, Options{})
			if diff := cmp.Diff(tt.want, r.Counts); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if r.Usage.Exceptions != tt.read || r.Usage.Areas != tt.areas || r.Verdict != Corrupt || !r.Unreadable() {
				t.Errorf("verdict %s, usage %+v; want %d exceptions in %d areas", r.Verdict, r.Usage, tt.read, tt.areas)
			}
		})
	}
}

// TestBehindAnUnreadableArea: the list continues if a record of the next area
// could belong to it, and the finding says where reading stops.
func TestBehindAnUnreadableArea(t *testing.T) {
	beyond := cow.Exception{Old: 1, New: 1 << 50}
	tests := []struct {
		name    string
		damaged map[int]cow.Exception // by index
		n       int                   // exceptions on the device
		read    uint64
		stopped bool
	}{
		{"whole", nil, 700, 444, false},
		{"its first record damaged", map[int]cow.Exception{512: beyond}, 700, 444, false},
		{"its first two records damaged", map[int]cow.Exception{512: beyond, 513: beyond}, 700, 444, false},
		{"all of its records damaged", map[int]cow.Exception{512: beyond, 513: beyond, 514: beyond}, 515, 256, true},
		{"its first record the terminator", nil, 512, 256, true},
	}
	for _, tt := range tests {
		list := cowtest.Canonical(chunk4K, cowtest.Run(3, tt.n)...)
		for i, e := range tt.damaged {
			list[i] = e
		}
		dev := newSparse(16 << 20)
		dev.store(t, cowtest.Store{Chunk: chunk4K, Exceptions: list})
		g, _ := cow.NewGeometry(chunk4K)
		dev.fail[int64(g.AreaChunk(1))] = syscall.EIO
		r := judgeSparse(t, dev, Options{})
		if len(r.Findings) == 0 || r.Findings[0].Code != UnreadableArea {
			t.Fatalf("%s: findings %+v", tt.name, r.Findings)
		}
		told := strings.Contains(r.Findings[0].Message, "reading stopped before area 2,")
		if r.Usage.Exceptions != tt.read || told != tt.stopped {
			t.Errorf("%s: %d exceptions read, want %d; %q", tt.name, r.Usage.Exceptions, tt.read, r.Findings[0].Message)
		}
	}
}

// TestUnreadableHeader: without a header there is no report.
func TestUnreadableHeader(t *testing.T) {
	dev := newSparse(1 << 20)
	dev.fail[0] = syscall.EIO
	if r, err := Verify(context.Background(), dev, dev.size, Options{}); r != nil || !errors.Is(err, syscall.EIO) {
		t.Errorf("report %+v, error %v", r, err)
	}
}

// TestInterrupted: when the judge is stopped, it reports what it knows as a
// partial report.
func TestInterrupted(t *testing.T) {
	dev := newSparse(64<<20).store(t, with4K(cowtest.Canonical(chunk4K, cowtest.Run(0, 10000)...)...))
	ctx, cancel := context.WithCancel(context.Background())
	r, err := Verify(ctx, dev, dev.size, Options{Progress: func(p Progress) {
		if p.Area == 5 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if !r.Partial || r.Usage.Exceptions < 5*256 || r.Usage.Exceptions >= 10000 || r.Header == nil {
		t.Errorf("partial %v, usage %+v", r.Partial, r.Usage)
	}
}

// TestProgressOfFurtherPasses: from the second pass on, the end of the list is
// known, and so is the need for a further pass as soon as it arises.
func TestProgressOfFurtherPasses(t *testing.T) {
	var list []cow.Exception
	for i := range cow.Chunk(100_000) {
		list = append(list, cow.Exception{Old: i * 0x9e3779b97f4a7c15, New: 2 + i*36007%(1<<32-2)})
	}
	dev := newSparse(16<<40).store(t, cowtest.Store{Chunk: chunk4K, Exceptions: list})
	g, _ := cow.NewGeometry(chunk4K)
	var first, last Progress
	r := judgeSparse(t, dev, Options{MemoryBytes: 1, Progress: func(p Progress) {
		if p.Pass == 1 {
			first = p
		}
		last = p
	}})
	if first.Areas != g.AreaOf(1<<32-1)+1 || !first.More {
		t.Errorf("at the end of the first pass: %+v", first)
	}
	if last.Pass < 2 || last.Areas != r.Usage.Areas || last.More {
		t.Errorf("at the end: %+v, of %d areas", last, r.Usage.Areas)
	}
}
