package image

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

func deltaOf(t interface{ Fatal(...any) }, image []byte, origin, memory int64) *Delta {
	st, err := store.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	st.OriginBytes = origin
	return NewDelta(st, memory)
}

// TestDeltaIsWhatChanged compares the spans of any store, in any memory, with
// its exceptions.
func TestDeltaIsWhatChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := anyLayout(t)
		f := newFixture(t, rapid.Uint64().Draw(t, "seed"), l)
		chunk := int(l.chunk) * 512
		origin := rapid.SampledFrom([]int64{0, int64(l.origin)}).Draw(t, "known origin")
		d := deltaOf(t, f.store, origin, rapid.SampledFrom([]int64{0, 1}).Draw(t, "memory"))
		size := (l.origin/chunk + 1) * chunk
		want, got := make([]bool, size), make([]bool, size)
		for _, e := range f.spec.Exceptions {
			for i := range chunk {
				want[int(e.Old)*chunk+i] = origin == 0 || int(e.Old)*chunk+i < l.origin
			}
		}
		for range 2 {
			clear(got)
			end := int64(-1)
			for s, err := range d.Spans(context.Background()) {
				if err != nil || s.Offset <= end || s.Length <= 0 {
					t.Fatalf("span %+v behind %d, %v", s, end, err)
				}
				end = s.End()
				for i := s.Offset; i < end; i++ {
					got[i] = true
				}
			}
			if !slices.Equal(want, got) {
				t.Fatal("another delta")
			}
		}
	})
}

// TestScatteredDelta: chunks all over an origin of unknown size, even at
// impossible places, with memory for few of them.
func TestScatteredDelta(t *testing.T) {
	var olds []cow.Chunk
	for i := range 20000 {
		olds = append(olds, cow.Chunk(i)*7919*4097)
	}
	olds = append(olds, 1<<51-2, 1<<51, 1<<62, 1<<64-1)
	s := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, olds...)}
	var got []cow.Chunk
	for s, err := range deltaOf(t, s.Bytes(), 0, 1).Spans(context.Background()) {
		if err != nil || s.Length != 4096 {
			t.Fatalf("%+v, %v", s, err)
		}
		got = append(got, cow.Chunk(s.Offset/4096))
	}
	if diff := cmp.Diff(olds[:20001], got); diff != "" {
		t.Error(diff)
	}
}

// TestDeltaThatDoesNotJoin: of chunks in random order with gaps there are as many
// spans as exceptions; in little memory, which takes more passes, too. A caller
// may stop anywhere.
func TestDeltaThatDoesNotJoin(t *testing.T) {
	const n, apart = 70000, 40 // over more pages than a set has in the least memory
	olds := make([]cow.Chunk, n)
	for i, at := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		olds[i] = cow.Chunk(apart * at)
	}
	image := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, olds...)}.Bytes()
	for _, memory := range []int64{0, 1} {
		at := int64(0)
		for s, err := range deltaOf(t, image, 0, memory).Spans(context.Background()) {
			if err != nil || s != (Span{at * apart * 4096, 4096}) {
				t.Fatalf("span %d: %+v, %v", at, s, err)
			}
			at++
		}
		if at != n {
			t.Errorf("%d spans, want %d", at, n)
		}
		left := 10
		for range deltaOf(t, image, 0, memory).Spans(context.Background()) {
			if left--; left == 0 {
				break
			}
		}
	}
}

// TestDeltaUpToTheLargestSize: the last chunk of an origin of 2^63-1 bytes ends
// where the origin does.
func TestDeltaUpToTheLargestSize(t *testing.T) {
	const last = math.MaxInt64 / 4096
	image := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, last, last-1)}.Bytes()
	if got, want := collect(t, deltaOf(t, image, math.MaxInt64, 0).Spans(context.Background())), []Span{{(last - 1) * 4096, 8191}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := collect(t, deltaOf(t, image, 0, 0).Spans(context.Background())), []Span{{(last - 1) * 4096, 4096}}; !slices.Equal(got, want) {
		t.Errorf("of an origin of unknown size: %v, want %v", got, want)
	}
}

// TestDeltaOfALiveStore: exceptions that are added later are not in the second
// reading, so that counts and ranges agree. A list that shrinks is an error.
func TestDeltaOfALiveStore(t *testing.T) {
	g, _ := cow.NewGeometry(8)
	s := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, 1, 5, 9), DeviceChunks: 20}
	image := s.Bytes()
	d := deltaOf(t, image, 0, 0)
	first := collect(t, d.Spans(context.Background()))
	copy(image[g.RecordOffset(0, 3):], cow.Exception{Old: 13, New: 5}.AppendTo(nil))
	if diff := cmp.Diff(first, collect(t, d.Spans(context.Background()))); diff != "" {
		t.Errorf("after the list grew:\n%s", diff)
	}
	clear(image[g.RecordOffset(0, 1):][:3*16])
	var last error
	for _, err := range d.Spans(context.Background()) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "being merged") {
		t.Errorf("after the list shrank: %v", last)
	}
}
