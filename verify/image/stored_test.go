package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// noted is a reader that notes where it is read, with an unreadable part.
type noted struct {
	io.ReaderAt
	bad Span
	at  *[]int64
}

func (n noted) ReadAt(b []byte, off int64) (int, error) {
	if n.at != nil {
		*n.at = append(*n.at, off)
	}
	if off < n.bad.End() && off+int64(len(b)) > n.bad.Offset {
		return 0, syscall.EIO
	}
	return n.ReaderAt.ReadAt(b, off)
}

// cached is a reader with a cache.
type cached struct {
	io.ReaderAt
	room  int64
	parts []Span // as prefetched
	err   error
}

func (c *cached) CacheRoom() int64 { return c.room }

func (c *cached) Prefetch(_ context.Context, offset, length int64) error {
	c.parts = append(c.parts, Span{offset, length})
	return c.err
}

// TestCopyStored passes on everything that has changed, for any store, with and
// without a cache.
func TestCopyStored(t *testing.T) {
	for seed, l := range []layout{
		{chunk: 8, origin: 3<<20 + 512, changed: 700, mixed: true},
		{chunk: 8, origin: 9 << 20, changed: 2304, leaked: 40, mixed: true},
		{chunk: 8, origin: 1 << 20, changed: 100},
		{chunk: 1, origin: 100 << 10, changed: 90, mixed: true},
		{chunk: 16384, origin: 20<<20 + 512, changed: 3, mixed: true}, // larger than a window
	} {
		f := newFixture(t, uint64(seed), l)
		for _, room := range []int64{0, math.MaxInt64} {
			testCopyStored(t, f, l, room)
		}
	}
}

func testCopyStored(t *testing.T, f fixture, l layout, room int64) {
	t.Helper()
	src := f.source()
	src.Store = &cached{ReaderAt: src.Store, room: room}
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.Clone(f.origin)
	total := int64(0)
	err = im.CopyStored(context.Background(), func(at int64, b []byte) error {
		total += int64(len(b))
		copy(got[at:], b)
		return nil
	})
	want, errLength := Length(im.Changed())
	if err != nil || errLength != nil || total != want || !bytes.Equal(got[:im.Size()], f.image[:im.Size()]) {
		t.Errorf("%+v, room for %d bytes: %v, %v, %d bytes of %d, the same image: %v", l, room, err, errLength, total, want, bytes.Equal(got, f.image))
	}
}

// tornStore is a canonical store of these chunks of an origin, in random order.
func tornStore(t *testing.T, olds []cow.Chunk, leaked uint64) Source {
	t.Helper()
	olds = slices.Clone(olds)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(olds), func(i, j int) { olds[i], olds[j] = olds[j], olds[i] })
	spec := cowtest.Store{Chunk: 8}
	g, err := cow.NewGeometry(8)
	if err != nil {
		t.Fatal(err)
	}
	for i, old := range olds {
		slot := uint64(i)
		if i >= len(olds)/2 {
			slot += leaked
		}
		spec.Exceptions = append(spec.Exceptions, cow.Exception{Old: old, New: g.DataChunk(slot)})
	}
	spec.DeviceChunks = g.ChunksFor(uint64(len(olds)) + leaked)
	b := spec.Bytes()
	return Source{Store: bytes.NewReader(b), StoreSize: int64(len(b)), Origin: bytes.NewReader(make([]byte, 32<<20)), OriginSize: 32 << 20}
}

// TestTornPartsAreReadThroughTheCache, and then written in the order of the image,
// if the cache has room and the store's data is most of what it would take.
func TestTornPartsAreReadThroughTheCache(t *testing.T) {
	const n = 3072 // three windows
	var dense, sparse []cow.Chunk
	for c := range cow.Chunk(n) {
		dense = append(dense, c+10)
		sparse = append(sparse, 2*c)
	}
	half := append(slices.Clone(dense[:n/2]), sparse[n*3/4:]...)
	g, err := cow.NewGeometry(8)
	if err != nil {
		t.Fatal(err)
	}
	first, behind := int64(g.DataChunk(0))*4096, int64(g.DataChunk(n-1)+1)*4096
	for name, test := range map[string]struct {
		olds   []cow.Chunk
		leaked uint64
		room   int64
		want   bool
	}{
		"all torn":              {dense, 0, math.MaxInt64, true},
		"just enough room":      {dense, 0, behind - first, true},
		"too little room":       {dense, 0, behind - first - 1, false},
		"past the cache":        {dense, 0, 0, false},
		"some leaked":           {dense, n / 8, math.MaxInt64, true},
		"as much leaked":        {dense, n, math.MaxInt64, false},
		"nothing torn":          {sparse, 0, math.MaxInt64, false},
		"two thirds of it torn": {half, 0, math.MaxInt64, false},
	} {
		t.Run(name, func(t *testing.T) {
			src := tornStore(t, test.olds, test.leaked)
			store := &cached{ReaderAt: src.Store, room: test.room}
			src.Store = store
			im, _, err := Open(context.Background(), src, Options{})
			if err != nil {
				t.Fatal(err)
			}
			ordered, behindAll, took := true, int64(0), 0
			err = im.CopyStored(context.Background(), func(at int64, b []byte) error {
				if took++; test.want && len(store.parts) == 0 {
					t.Error("passed on before it was in the cache")
				}
				ordered, behindAll = ordered && at >= behindAll, at+int64(len(b))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if ordered != test.want || (len(store.parts) == 1) != test.want || len(store.parts) > 1 {
				t.Errorf("in order: %v, prefetched %v, want both: %v", ordered, store.parts, test.want)
			}
			if test.want && took > n/1024+1 {
				t.Errorf("passed on in %d parts", took)
			}
			if test.want && test.leaked == 0 && store.parts[0] != (Span{first, behind - first}) {
				t.Errorf("prefetched %v, want %v", store.parts[0], Span{first, behind - first})
			}
		})
	}
}

// TestTornPartsWithoutACache come in the order of the list.
func TestTornPartsWithoutACache(t *testing.T) {
	im, _, err := Open(context.Background(), tornStore(t, []cow.Chunk{1, 2, 3}, 0), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := im.storedOrder(); err != nil || !o.byList {
		t.Errorf("%+v, %v", o, err)
	}
}

// counted counts the bytes that are read.
type counted struct {
	io.ReaderAt
	n *atomic.Int64
}

func (c counted) ReadAt(b []byte, off int64) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ReaderAt.ReadAt(b, off)
}

// TestOnlyDataIsReadFromTheCache: a gap there costs more than another read.
func TestOnlyDataIsReadFromTheCache(t *testing.T) {
	olds := make([]cow.Chunk, 3072)
	for i := range olds {
		olds[i] = cow.Chunk(i)
	}
	src := tornStore(t, olds, 0)
	var read atomic.Int64
	src.Store = &cached{ReaderAt: counted{src.Store, &read}, room: math.MaxInt64}
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	read.Store(0)
	if err := im.CopyStored(context.Background(), func(int64, []byte) error { return nil }); err != nil || read.Load() != 3072*4096 {
		t.Errorf("%v, %d bytes are read for %d", err, read.Load(), 3072*4096)
	}
}

// TestPrefetchStops when the caller wants it to.
func TestPrefetchStops(t *testing.T) {
	olds := make([]cow.Chunk, 1024)
	for i := range olds {
		olds[i] = cow.Chunk(i)
	}
	src := tornStore(t, olds, 0)
	src.Store = &cached{ReaderAt: src.Store, room: math.MaxInt64, err: context.Canceled}
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = im.CopyStored(context.Background(), func(int64, []byte) error {
		t.Error("something is passed on")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := im.WriteRaw(context.Background(), &file{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a raw image: %v", err)
	}
}

// TestCopyStoredReadsInOrder: a store in the canonical layout is read once,
// from beginning to end, in long pieces, no matter how the origin was written.
func TestCopyStoredReadsInOrder(t *testing.T) {
	f := newFixture(t, 1, layout{chunk: 8, origin: 8 << 20, changed: 2048, mixed: true})
	// The places in order, the origin's chunks as they come.
	g, err := cow.NewGeometry(f.spec.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.spec.Exceptions {
		f.spec.Exceptions[i].New = g.DataChunk(uint64(i))
	}
	src := f.source()
	src.Store = bytes.NewReader(f.spec.Bytes())
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var at []int64
	im.store = noted{ReaderAt: src.Store, at: &at}
	for l, err := range im.storedLoads(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Read(make([]byte, l.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	for i := range at[1:] {
		if at[i+1] <= at[i] {
			t.Errorf("read at %d after %d", at[i+1], at[i])
		}
	}
	if len(at) > 12 { // 8 MiB by 1 MiB
		t.Errorf("8 MiB in %d reads", len(at))
	}
}

// TestWhatLiesBetweenNeedNotBeReadable: this concerns chunks that no exception
// names.
func TestWhatLiesBetweenNeedNotBeReadable(t *testing.T) {
	f := newFixture(t, 5, layout{chunk: 8, origin: 1 << 20, changed: 100, leaked: 30, mixed: true})
	named := map[int64]bool{}
	for _, e := range f.spec.Exceptions {
		named[int64(e.New)] = true
	}
	leaked := int64(2)
	for named[leaked] {
		leaked++
	}
	src := f.source()
	src.Store = noted{ReaderAt: src.Store, bad: Span{leaked * 4096, 4096}}
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, im.Size())
	if _, err := im.ReadAt(got, 0); err != nil || !bytes.Equal(got, f.image) {
		t.Errorf("%v, or another image", err)
	}
}
