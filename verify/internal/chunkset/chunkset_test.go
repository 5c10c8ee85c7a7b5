package chunkset

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// anyChunk draws chunk numbers that collide, that share pages, that lie in
// pages far apart, and that lie beyond the directory.
func anyChunk() *rapid.Generator[cow.Chunk] {
	return rapid.Map(rapid.OneOf(
		rapid.Uint64Range(0, 300),
		rapid.Map(rapid.Uint64Range(0, 200), func(n uint64) uint64 { return n<<pageBits + n%7 }),
		rapid.Map(rapid.Uint64Range(0, 5000), func(n uint64) uint64 { return directoryPages<<pageBits + n }),
		rapid.SampledFrom([]uint64{math.MaxUint64, 1 << 55, directoryPages<<pageBits - 1, directoryPages << pageBits}),
	), func(n uint64) cow.Chunk { return cow.Chunk(n) })
}

// usualMemory is what a judge gives to its sets.
const usualMemory = 34 << 20

type span struct{ First, End cow.Chunk }

// addition is a run of n chunks, tried at once first if n > 1.
type addition struct {
	First cow.Chunk
	N     uint64
}

func anyAddition() *rapid.Generator[addition] {
	return rapid.Custom(func(t *rapid.T) addition {
		a := addition{anyChunk().Draw(t, "chunk"), rapid.SampledFrom([]uint64{1, 1, 2, 256, 40000}).Draw(t, "n")}
		a.N = min(a.N, math.MaxUint64-uint64(a.First))
		return a
	})
}

// TestChunkSetAgainstMap adds chunks to sets on a tiny shared budget, in as
// many passes as that takes, and holds all answers against those of a map.
func TestChunkSetAgainstMap(t *testing.T) {
	passesSeen := 0
	rapid.Check(t, func(t *rapid.T) {
		additions := rapid.SliceOfN(anyAddition(), 0, 600).Draw(t, "additions")
		memory := rapid.SampledFrom([]uint64{0, 40 * pageCost, 1 << 20, usualMemory}).Draw(t, "memory")
		limit := anyChunk().Draw(t, "limit")

		naive, repeats := map[cow.Chunk]bool{}, 0
		for _, a := range additions {
			for c := a.First; c < a.First+cow.Chunk(a.N); c++ {
				if naive[c] {
					repeats++
				}
				naive[c] = true
			}
		}
		got, absent, passes := 0, []span{}, 0
		share := newBudget(memory)
		// The second set competes for the budget.
		set, rival := newChunkSet(share, nil), newChunkSet(share, nil)
		for {
			passes++
			for i, a := range additions {
				got += addAll(set, a)
				rival.add(cow.Chunk(i) << pageBits)
			}
			set.absent(0, limit, func(first, end cow.Chunk) {
				if n := len(absent); n > 0 && absent[n-1].End == first {
					absent[n-1].End = end
				} else {
					absent = append(absent, span{first, end})
				}
			})
			if total := share.used + uint64(len(share.spare)); total > share.pages() || share.used != set.held+rival.held {
				t.Fatalf("%d pages in use by %d and %d, %d spare, of %d", share.used, set.held, rival.held, len(share.spare), share.pages())
			}
			if set.complete() && rival.complete() {
				break
			}
			if passes > 10000 {
				t.Fatal("no end of passes")
			}
			set, rival = set.rest(), rival.rest()
			share.sets = []*chunkSet{set, rival}
			if share.used != 0 {
				t.Fatalf("%d pages in use between passes", share.used)
			}
		}
		passesSeen = max(passesSeen, passes)
		if got != repeats {
			t.Fatalf("%d repeats in %d passes, want %d", got, passes, repeats)
		}
		checkAbsent(t, absent, naive, limit)
	})
	if passesSeen < 3 && !testing.Short() { // rapid then tries few
		t.Errorf("at most %d passes: the budgets were not tiny enough to test anything", passesSeen)
	}
}

func addAll(set *chunkSet, a addition) (repeats int) {
	if a.N > 1 && set.addRun(a.First, a.N) {
		return 0
	}
	for c := a.First; c < a.First+cow.Chunk(a.N); c++ {
		if set.add(c) {
			repeats++
		}
	}
	return repeats
}

// checkAbsent: what is absent and what is in the map fill [0, limit) without
// an overlap.
func checkAbsent(t *rapid.T, absent []span, naive map[cow.Chunk]bool, limit cow.Chunk) {
	free, last := uint64(0), cow.Chunk(0)
	for _, s := range absent {
		if s.First < last || s.End <= s.First || s.End > limit {
			t.Fatalf("runs of absent chunks %v below %d", absent, limit)
		}
		last = s.End
		free += uint64(s.End - s.First)
	}
	present := uint64(0)
	for c := range naive {
		if c >= limit {
			continue
		}
		present++
		for _, s := range absent {
			if c >= s.First && c < s.End {
				t.Fatalf("chunk %d is in the set, and in the absent run %v", c, s)
			}
		}
	}
	if free+present != uint64(limit) {
		t.Fatalf("%d chunks absent, %d present, of %d", free, present, limit)
	}
}

// TestFullPagesCostNothing: a store in the canonical layout takes no memory
// for the chunks that lie behind.
func TestFullPagesCostNothing(t *testing.T) {
	share := newBudget(0)
	set := newChunkSet(share, nil)
	for first := cow.Chunk(0); first < 100*pageSize; first += 256 {
		if !set.addRun(first, 256) {
			t.Fatalf("the run from %d was refused", first)
		}
	}
	if share.used != 0 || !set.complete() {
		t.Errorf("%d pages in use, complete: %v", share.used, set.complete())
	}
	if !set.add(5) || set.addRun(7, 2) {
		t.Error("full pages have forgotten their chunks")
	}
	set.absent(0, 101*pageSize, func(first, end cow.Chunk) {
		if diff := cmp.Diff(span{100 * pageSize, 101 * pageSize}, span{first, end}); diff != "" {
			t.Errorf("absent (-want +got):\n%s", diff)
		}
	})
}

// TestScatteredChunksAgainstMap is TestChunkSetAgainstMap with more chunks
// than pages, leaves and both have room for, in orders that suit none of them.
func TestScatteredChunksAgainstMap(t *testing.T) {
	const n = 60000
	random := rand.New(rand.NewPCG(1, 2))
	shuffled := func(of int, place func(i uint64) uint64) (out []cow.Chunk) {
		for _, i := range random.Perm(of) {
			out = append(out, cow.Chunk(place(uint64(i))))
		}
		return out
	}
	anywhere := func(bits int) []cow.Chunk {
		return shuffled(n, func(uint64) uint64 { return random.Uint64() >> (64 - bits) })
	}
	descending := func(step uint64) (out []cow.Chunk) {
		for i := range uint64(n) {
			out = append(out, cow.Chunk(1<<40-i*step))
		}
		return out
	}
	near := descending(1)
	for i := range near {
		near[i] -= 1<<40 - 1<<20
	}
	const far = directoryPages << pageBits
	for name, chunks := range map[string][]cow.Chunk{
		"far":                  anywhere(64),
		"a few to a page":      anywhere(28),
		"many to a page":       anywhere(23),
		"dense, behind few":    slices.Concat(anywhere(26)[:n/2], shuffled(n, func(i uint64) uint64 { return i })),
		"dense, one per page":  slices.Concat(anywhere(26)[:n/4], shuffled(n, func(i uint64) uint64 { return i%300<<pageBits + i/300 })),
		"descending, far":      descending(1),
		"descending, wide":     descending(1 << 15),
		"descending, near":     slices.Concat(anywhere(26)[:n/4], near),
		"between two leaves":   slices.Concat(shuffled(pageWords, func(i uint64) uint64 { return far + i }), descending(3)),
		"around the directory": shuffled(n, func(i uint64) uint64 { return far - n*20 + i*40 }),
		"full pages":           slices.Concat(anywhere(26)[:n/4], shuffled(pageSize, func(i uint64) uint64 { return pageSize + i })),
	} {
		chunks = append(chunks, chunks[len(chunks)/3:len(chunks)/3+1000]...)
		naive, repeats := map[cow.Chunk]bool{}, 0
		for _, c := range chunks {
			if naive[c] {
				repeats++
			}
			naive[c] = true
		}
		for _, limit := range []cow.Chunk{1 << 26, 1 << 41, math.MaxUint64} {
			got, free, passes := 0, uint64(0), 0
			share := newBudget(0)
			set := newChunkSet(share, nil)
			for {
				passes++
				got += set.addEach(chunks)
				last := cow.Chunk(0)
				set.absent(0, limit, func(first, end cow.Chunk) {
					if first < last || end <= first || naive[first] || naive[end-1] {
						t.Fatalf("%s: absent %d-%d behind %d", name, first, end, last)
					}
					free, last = free+uint64(end-first), end
				})
				if set.complete() {
					break
				}
				if passes > 100 {
					t.Fatalf("%s: no end of passes", name)
				}
				set = set.rest()
				share.sets = []*chunkSet{set}
			}
			present := uint64(0)
			for c := range naive {
				if c < limit {
					present++
				}
			}
			if got != repeats || free+present != uint64(limit) {
				t.Errorf("%s below %d: %d repeats in %d passes, want %d; %d absent and %d present", name, limit, got, passes, repeats, free, present)
			}
			if most := len(naive)*pageCost/thinPage/(leastPages*pageCost) + 2; passes > most {
				t.Errorf("%s: %d passes, want %d at most", name, passes, most)
			}
		}
	}
}

func (s *chunkSet) addEach(chunks []cow.Chunk) (repeats int) {
	for _, c := range chunks {
		if s.add(c) {
			repeats++
		}
	}
	return repeats
}
