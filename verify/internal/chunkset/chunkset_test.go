package chunkset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	cmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// usualMemory is what a judge gives to its sets.
const usualMemory = 36 << 20

// run is chunks [First, End).
type run struct{ First, End cow.Chunk }

// bounds are those of a device with this many chunks of 512 bytes.
func bounds(t interface{ Fatal(...any) }, device uint64) cow.Bounds {
	g, err := cow.NewGeometry(1)
	if err != nil {
		t.Fatal(err)
	}
	return cow.Bounds{Geometry: g, DeviceChunks: device}
}

// found is the sets' result for a list: which exceptions repeat a chunk, and
// the ranges of the COW device that no exception names.
type found struct {
	COW, Origin []int // indexes
	Absent      []run
}

// equal takes the place of cmp.Diff, which needs a second for long lists.
func (f found) equal(g found) bool {
	return slices.Equal(f.COW, g.COW) && slices.Equal(f.Origin, g.Origin) && slices.Equal(f.Absent, g.Absent)
}

// naive finds it in the simple way.
func naive(b cow.Bounds, list []cow.Exception, limit cow.Chunk) (f found) {
	seenCOW, seenOld := map[cow.Chunk]bool{}, map[cow.Chunk]bool{}
	var named []cow.Chunk
	for i, e := range list {
		if b.OnDevice(e.New) {
			if seenCOW[e.New] {
				f.COW = append(f.COW, i)
			}
			seenCOW[e.New] = true
			if !b.Geometry.IsMetadata(e.New) {
				named = append(named, e.New)
			}
		}
		if seenOld[e.Old] {
			f.Origin = append(f.Origin, i)
		}
		seenOld[e.Old] = true
	}
	slices.Sort(named)
	absentSorted(slices.Compact(named), cow.FirstData, limit, func(first, end cow.Chunk) {
		f.Absent = append(f.Absent, run{first, end})
	})
	f.Absent = data(b.Geometry, f.Absent)
	return f
}

// data joins runs that touch, and leaves metadata out at their ends.
func data(g cow.Geometry, runs []run) (out []run) {
	for _, r := range runs {
		for r.First < r.End && g.IsMetadata(r.First) {
			r.First++
		}
		for r.First < r.End && g.IsMetadata(r.End-1) {
			r.End--
		}
		if r.First == r.End {
			continue
		}
		if n := len(out); n > 0 && g.DataChunksIn(out[n-1].End, r.First) == 0 {
			out[n-1].End = r.End
		} else {
			out = append(out, r)
		}
	}
	return out
}

// find queries the sets, in as many passes as they need.
func find(t interface{ Fatalf(string, ...any) }, b cow.Bounds, list []cow.Exception, limit cow.Chunk, memory uint64) (f found, passes int) {
	s := New(b, memory)
	last := cow.Chunk(0)
	absent := func(first, end cow.Chunk) {
		if first < last || end <= first || end > limit || first < cow.FirstData {
			t.Fatalf("absent run [%d, %d) behind %d, below %d", first, end, last, limit)
		}
		last = end
		f.Absent = append(f.Absent, run{first, end})
	}
	for i, e := range list {
		onCOW, onOrigin := s.Add(e)
		f.note(i, onCOW, onOrigin)
	}
	s.AbsentCOW(cow.FirstData, limit, absent)
	passes = 1
	if !s.Complete() {
		records := bytesOf(list)
		rest := s.Rest(cow.FirstData, limit)
		for rest.Next() {
			if passes++; passes > 3000 {
				t.Fatalf("no end of passes")
			}
			for at := 0; at < len(list); {
				n := min(256, len(list)-at)
				rest.Take(records[at*cow.ExceptionSize:][:n*cow.ExceptionSize], func(slot int, e cow.Exception, onCOW, onOrigin bool) {
					if e != list[at+slot] {
						t.Fatalf("slot %d is %+v", slot, e)
					}
					f.note(at+slot, onCOW, onOrigin)
				})
				at += n
			}
			rest.End(absent)
		}
	}
	slices.Sort(f.COW)
	slices.Sort(f.Origin)
	f.Absent = data(b.Geometry, f.Absent)
	return f, passes
}

func (f *found) note(i int, onCOW, onOrigin bool) {
	if onCOW {
		f.COW = append(f.COW, i)
	}
	if onOrigin {
		f.Origin = append(f.Origin, i)
	}
}

func bytesOf(list []cow.Exception) (b []byte) {
	for _, e := range list {
		b = e.AppendTo(b)
	}
	return b
}

// anyChunk draws chunk numbers that collide, that share pages, that lie in
// pages far apart, and that lie beyond the directory.
func anyChunk() *rapid.Generator[cow.Chunk] {
	return rapid.Map(rapid.OneOf(
		rapid.Uint64Range(0, 300),
		rapid.Map(rapid.Uint64Range(0, 200), func(n uint64) uint64 { return n<<pageBits + n%7 }),
		rapid.Map(rapid.Uint64Range(0, 20000), func(n uint64) uint64 { return directoryPages<<pageBits + n*n }),
		rapid.SampledFrom([]uint64{math.MaxUint64, 1 << 55, directoryPages<<pageBits - 1, directoryPages << pageBits}),
	), func(n uint64) cow.Chunk { return cow.Chunk(n) })
}

// TestSeenAgainstMap: for any list, sets with any memory find the same as a
// map.
func TestSeenAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bounds(t, rapid.SampledFrom([]uint64{3, 400, 1 << 24, 1 << 33, 1 << 50, math.MaxUint64 / 512}).Draw(t, "device"))
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cow.Exception {
			return cow.Exception{Old: anyChunk().Draw(t, "old"), New: anyChunk().Draw(t, "new")}
		}), 0, 800).Draw(t, "list")
		limit := cow.Chunk(min(uint64(anyChunk().Draw(t, "limit")), b.DeviceChunks))
		got, _ := find(t, b, list, limit, rapid.SampledFrom([]uint64{0, usualMemory}).Draw(t, "memory"))
		if diff := cmp.Diff(naive(b, list, limit), got); diff != "" {
			t.Fatalf("(-naive +got):\n%s", diff)
		}
	})
}

// TestScatteredAgainstMap is the same with more chunks than fit in memory, in
// distributions that suit one method and not another.
func TestScatteredAgainstMap(t *testing.T) {
	n := thorough.Of(6000, 18000)
	random := rand.New(rand.NewPCG(1, 2))
	anywhere := func(bits int) func(int) cow.Chunk {
		return func(int) cow.Chunk { return cow.Chunk(random.Uint64() >> (64 - bits)) }
	}
	kinds := map[string]func(i int) cow.Chunk{
		"anywhere":        anywhere(64),
		"40 bits":         anywhere(40),
		"32 bits":         anywhere(32),
		"28 bits":         anywhere(28),
		"23 bits":         anywhere(23),
		"17 bits":         anywhere(17), // most are repeated
		"8 bits":          anywhere(8),
		"one":             func(int) cow.Chunk { return 5 << 40 },
		"descending":      func(i int) cow.Chunk { return 1<<40 - cow.Chunk(i)*3 },
		"one to a page":   func(i int) cow.Chunk { return cow.Chunk(i) << pageBits },
		"all twice":       func(i int) cow.Chunk { return cow.Chunk(i%(n/2)) * 0x9e3779b97f >> 4 },
		"two heaps":       func(i int) cow.Chunk { return cow.Chunk(i%2)<<45 + cow.Chunk(i/3) },
		"dense, then far": func(i int) cow.Chunk { return cow.Chunk(i) + cow.Chunk(i/(n/2))<<44 },
		"a bucket":        func(i int) cow.Chunk { return 1<<37 + cow.Chunk(i*7%(1<<narrowBits)) },
	}
	b := bounds(t, 1<<46)
	for nameCOW, drawCOW := range kinds {
		for _, nameOld := range []string{nameCOW, "40 bits", "all twice"}[:thorough.Of(1, 3)] {
			var list []cow.Exception
			for i := range n {
				list = append(list, cow.Exception{Old: kinds[nameOld](i), New: drawCOW(i)})
			}
			list = append(list, list[n/3:n/3+500]...)
			for _, limit := range []cow.Chunk{1 << 26, 1 << 46} {
				got, passes := find(t, b, list, limit, 0)
				if want := naive(b, list, limit); !want.equal(got) {
					diff := cmp.Diff(want, got)
					t.Fatalf("COW %s, origin %s, below %d, %d passes (-naive +got):\n%s", nameCOW, nameOld, limit, passes, diff[:min(len(diff), 2000)])
				}
				if passes > 500 {
					t.Errorf("COW %s, origin %s: %d passes", nameCOW, nameOld, passes)
				}
			}
		}
	}
}

// TestFewPassesWithUsualMemory: a store of many scattered exceptions is read
// three times, and twice as many take no more passes.
func TestFewPassesWithUsualMemory(t *testing.T) {
	b := bounds(t, 1<<35)
	for _, n := range []int{1 << 17, 1 << 18, 1 << 19}[:thorough.Of(1, 3)] {
		list := make([]cow.Exception, n)
		for i := range list { // odd factors: no chunk comes twice
			k := uint64(i) * 0x9e3779b97f4a7c15
			list[i] = cow.Exception{Old: cow.Chunk(k & (1<<40 - 1)), New: 2 + cow.Chunk(k&(1<<34-1))}
		}
		if _, passes := find(t, b, list, 1<<34, usualMemory); passes != 3 {
			t.Errorf("%d exceptions: %d passes", n, passes)
		}
	}
}

// TestRunsAgainstMap is the same for Runs, whose passes have their own runs.
func TestRunsAgainstMap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, width := range []int{10, 20, 30, 40, 63} {
		for _, n := range []int{0, 1, 1000, thorough.Of(5_000, 100_000)} {
			var chunks []cow.Chunk
			for range n {
				chunks = append(chunks, cow.Chunk(random.Uint64()>>(64-width)))
			}
			sorted := slices.Compact(slices.Sorted(slices.Values(chunks)))
			for _, end := range []cow.Chunk{0, 700, 3 << (width - 2), 1 << width, math.MaxInt64} {
				var want, got, gotOld, wantAbsent, gotAbsent []run
				wantBeyond := uint64(0)
				for _, c := range chunks {
					if c >= end {
						wantBeyond++
					}
				}
				for _, c := range sorted {
					if c < end {
						want = join(want, run{c, c + 1})
					}
				}
				absentSorted(sorted, 0, end, func(first, behind cow.Chunk) { wantAbsent = join(wantAbsent, run{first, behind}) })
				for _, memory := range []uint64{0, usualMemory} {
					got, gotOld, gotAbsent = nil, nil, nil
					collect(NewRuns(end, memory), chunks, (*Runs).Named, &got)
					collect(NewRuns(end, memory), chunks, (*Runs).Absent, &gotAbsent)
					beyond := collectOld(NewRuns(end, memory), chunks, &gotOld)
					if !slices.Equal(want, gotOld) || beyond != wantBeyond {
						t.Fatalf("%d records of %d bits below %d in %d bytes: %d runs, want %d; %d beyond, want %d", n, width, end, memory, len(gotOld), len(want), beyond, wantBeyond)
					}
					if !slices.Equal(want, got) || !slices.Equal(wantAbsent, gotAbsent) {
						t.Fatalf("%d chunks of %d bits below %d in %d bytes: %d runs, want %d; %d absent, want %d", n, width, end, memory, len(got), len(want), len(gotAbsent), len(wantAbsent))
					}
				}
			}
		}
	}
}

func collect(r *Runs, chunks []cow.Chunk, end func(*Runs, func(first, end cow.Chunk)), into *[]run) {
	for r.Next() {
		for _, c := range chunks {
			r.Take(c)
		}
		end(r, func(first, end cow.Chunk) { *into = join(*into, run{first, end}) })
	}
}

// collectOld is collect for the old chunks of records, some at a time. It returns
// how many of them were beyond the end in the last pass.
func collectOld(r *Runs, chunks []cow.Chunk, into *[]run) (beyond uint64) {
	for r.Next() {
		beyond = 0
		for part := range slices.Chunk(chunks, 77) {
			var records []byte
			for _, c := range part {
				records = cow.Exception{Old: c, New: 7}.AppendTo(records)
			}
			beyond += r.TakeOld(records)
		}
		r.Named(func(first, end cow.Chunk) { *into = join(*into, run{first, end}) })
	}
	return beyond
}

// TestRunsOfFullWordsAndPages: runs end at the ends of words and pages, continue
// over them, and fill them.
func TestRunsOfFullWordsAndPages(t *testing.T) {
	for _, want := range [][]run{
		{{0, 64}},
		{{0, 1}, {63, 65}, {127, 128}},
		{{1, 64}, {65, 128}, {130, 1000}},
		{{0, pageSize}},
		{{pageSize - 1, pageSize + 1}, {2*pageSize - 1, 4 * pageSize}},
		{{5, 3 * pageSize}, {7*pageSize + 64, 7*pageSize + 128}, {directoryPages*pageSize - 1, directoryPages*pageSize + 2}},
	} {
		var chunks []cow.Chunk
		for _, r := range want {
			for c := r.First; c < r.End; c++ {
				chunks = append(chunks, c, c) // twice is as good as once
			}
		}
		slices.Reverse(chunks)
		var got, gotOld []run
		collect(NewRuns(math.MaxInt64, usualMemory), chunks, (*Runs).Named, &got)
		collectOld(NewRuns(math.MaxInt64, usualMemory), chunks, &gotOld)
		if !slices.Equal(want, got) || !slices.Equal(want, gotOld) {
			t.Errorf("runs %v, of records %v, want %v", got, gotOld, want)
		}
		r, last := NewRuns(math.MaxInt64, usualMemory), cow.Chunk(0)
		r.Next()
		r.Take(chunks...)
		r.Named(func(first, end cow.Chunk) {
			if first == last && first%pageSize != 0 && first < directoryPages*pageSize {
				t.Errorf("of runs %v, the one at %d is cut in two", want, first)
			}
			last = end
		})
	}
}

// TestFullPagesOfRunsTakeNoMemory: a page gives its memory back when its last
// chunk is taken.
func TestFullPagesOfRunsTakeNoMemory(t *testing.T) {
	r := NewRuns(math.MaxInt64, usualMemory)
	r.Next()
	var records []byte
	for c := range cow.Chunk(3*pageSize + 1) {
		records = cow.Exception{Old: c, New: 7}.AppendTo(records)
	}
	if r.TakeOld(records); r.set.held != 1 {
		t.Errorf("%d pages are held, want that of the last chunk", r.set.held)
	}
}

func join(runs []run, r run) []run {
	if n := len(runs); n > 0 && runs[n-1].End == r.First {
		runs[n-1].End = r.End
		return runs
	}
	return append(runs, r)
}

// TestCanonicalStoreTakesNoMemory for the chunks already passed, no matter how
// scattered the origin's chunks are.
func TestCanonicalStoreTakesNoMemory(t *testing.T) {
	b := bounds(t, 1<<30)
	s := New(b, usualMemory)
	old := uint64(1)
	k := uint64(0)
	for range 4000 {
		var records []byte
		first := b.Geometry.DataChunk(k)
		for i := range b.Geometry.ExceptionsPerArea() {
			old = old*6364136223846793005 + 1442695040888963407
			records = cow.Exception{Old: cow.Chunk(old >> 20), New: first + cow.Chunk(i)}.AppendTo(records)
		}
		k += b.Geometry.ExceptionsPerArea()
		if !s.AddRun(first, records, func(slot int, e cow.Exception) { t.Errorf("%+v is repeated", e) }) {
			t.Fatalf("the run from %d was refused", first)
		}
	}
	if s.cow.lost || s.cow.held > 1 || !s.origin.lost {
		t.Errorf("COW: lost %v, %d pages; origin: lost %v", s.cow.lost, s.cow.held, s.origin.lost)
	}
	if s.AddRun(b.Geometry.DataChunk(7), bytesOf([]cow.Exception{{Old: 1, New: b.Geometry.DataChunk(7)}}), nil) {
		t.Error("full pages have forgotten their chunks")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b := bounds(t, 1<<46)
	const memory = 4 << 20
	s := New(b, memory)
	random := rand.New(rand.NewPCG(5, 6))
	held := func() uint64 {
		return s.arena.next*8 + s.arena.loose*pageBytes + s.arena.extra
	}
	for range 200_000 {
		s.Add(cow.Exception{Old: cow.Chunk(random.Uint64() >> 30), New: cow.Chunk(random.Uint64() >> 34)})
		if n := held(); n > memory*5/4 {
			t.Fatalf("%d bytes are held, of %d", n, memory)
		}
	}
}

func ExampleRuns() {
	r := NewRuns(100, 1<<20)
	for r.Next() {
		for _, c := range []cow.Chunk{7, 3, 4, 8, 99} {
			r.Take(c)
		}
		r.Named(func(first, end cow.Chunk) { fmt.Println(first, end) })
	}
	// Output:
	// 3 5
	// 7 9
	// 99 100
}
