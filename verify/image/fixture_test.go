package image

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// fixture is a store with its data, its origin, and what the snapshot shows.
type fixture struct {
	spec          cowtest.Store
	origin, image []byte
	store         []byte
}

// kinds of store
type layout struct {
	chunk   cow.Sectors
	origin  int // bytes
	changed int // chunks
	leaked  int // chunks that no exception names
	mixed   bool
	zero    bool // some chunks are zero
}

// newFixture makes a store of a layout; the same seed makes the same.
func newFixture(t interface{ Fatal(...any) }, seed uint64, l layout) fixture {
	r := rand.New(rand.NewPCG(seed, 1))
	g, err := cow.NewGeometry(l.chunk)
	if err != nil {
		t.Fatal(err)
	}
	chunk := int(g.ChunkBytes())
	fill := func(b []byte) {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
	f := fixture{origin: make([]byte, l.origin)}
	fill(f.origin)
	if l.zero {
		for at := 0; at < len(f.origin); at += 8192 {
			if r.IntN(2) == 0 {
				clear(f.origin[at:min(at+8192, len(f.origin))])
			}
		}
	}
	f.image = bytes.Clone(f.origin)
	chunks := int(g.ChunksCovering(int64(l.origin)))
	olds := r.Perm(chunks)[:min(l.changed, chunks)]
	if !l.mixed { // runs, as most origins are written
		for i := range olds {
			olds[i] = i
		}
	}
	slots := len(olds) + l.leaked
	places := make([]uint64, slots)
	for i := range places {
		places[i] = uint64(i)
	}
	if l.mixed {
		r.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	}
	for i, old := range olds {
		f.spec.Exceptions = append(f.spec.Exceptions, cow.Exception{Old: cow.Chunk(old), New: g.DataChunk(places[i])})
	}
	f.spec.Chunk = l.chunk
	f.spec.DeviceChunks = g.ChunksFor(uint64(slots))
	f.store = f.spec.Bytes()
	for _, e := range f.spec.Exceptions {
		data := f.store[int(e.New)*chunk:][:chunk]
		if !l.zero || r.IntN(3) > 0 {
			fill(data)
		}
		copy(f.image[min(len(f.image), int(e.Old)*chunk):], data)
	}
	return f
}

func (f fixture) source() Source {
	return Source{
		Store: bytes.NewReader(f.store), StoreSize: int64(len(f.store)),
		Origin: bytes.NewReader(f.origin), OriginSize: int64(len(f.origin)),
	}
}

func (f fixture) open(t interface {
	Helper()
	Fatal(...any)
}, opt Options) *Image {
	t.Helper()
	im, _, err := Open(context.Background(), f.source(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// file is a Sink in memory.
type file struct{ b []byte }

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if end := int(off) + len(p); end > len(f.b) {
		f.b = append(f.b, make([]byte, end-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *file) Truncate(n int64) error {
	if n < int64(len(f.b)) {
		f.b = f.b[:n]
	}
	f.b = append(f.b, make([]byte, int(n)-len(f.b))...)
	return nil
}

func collect(t *testing.T, spans iter.Seq2[Span, error]) (out []Span) {
	t.Helper()
	for s, err := range spans {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// setHeader changes the store's header.
func (f fixture) setHeader(change func(*cow.Header)) {
	h, _ := cow.DecodeHeader(f.store)
	change(&h)
	copy(f.store, h.AppendTo(nil))
}

var errBroken = errors.New("broken")

// brokenAt fails reads that touch a range.
type brokenAt struct {
	*bytes.Reader
	from, to int64
}

func (b brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off < b.to && off+int64(len(p)) > b.from {
		return 0, errBroken
	}
	return b.Reader.ReadAt(p, off)
}
