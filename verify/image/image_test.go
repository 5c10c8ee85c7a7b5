package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

func anyLayout(t *rapid.T) layout {
	l := layout{
		chunk:   1 << rapid.IntRange(0, 8).Draw(t, "chunk sectors, as a power of two"),
		changed: rapid.IntRange(0, 300).Draw(t, "changed"),
		leaked:  rapid.IntRange(0, 20).Draw(t, "leaked"),
		mixed:   rapid.Bool().Draw(t, "mixed"),
		zero:    rapid.Bool().Draw(t, "zero"),
	}
	l.origin = 512 * rapid.IntRange(1, 1000).Draw(t, "origin sectors")
	return l
}

// TestImageIsWhatTheSnapshotShows reads random ranges of images of any layout.
func TestImageIsWhatTheSnapshotShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture(t, rapid.Uint64().Draw(t, "seed"), anyLayout(t))
		im := f.open(t, Options{MemoryBytes: rapid.SampledFrom([]int64{0, 1}).Draw(t, "memory")})
		defer im.Close()
		if im.Size() != int64(len(f.image)) {
			t.Fatalf("size %d, want %d", im.Size(), len(f.image))
		}
		for range 5 {
			off := rapid.IntRange(0, len(f.image)).Draw(t, "off")
			b := make([]byte, rapid.IntRange(0, len(f.image)-off).Draw(t, "n"))
			n, err := im.ReadAt(b, int64(off))
			if n != len(b) || err != nil && !(errors.Is(err, io.EOF) && len(b) == 0) || !bytes.Equal(b, f.image[off:off+n]) {
				t.Fatalf("%d bytes at %d: %d, %v", len(b), off, n, err)
			}
		}
		all := make([]byte, len(f.image)+1)
		if n, err := im.ReadAt(all, 0); n != len(f.image) || err != io.EOF {
			t.Fatalf("more than there is: %d, %v", n, err)
		}
	})
}

func TestRawImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture(t, rapid.Uint64().Draw(t, "seed"), anyLayout(t))
		im := f.open(t, Options{})
		var out file
		var last Progress
		if err := im.WriteRaw(context.Background(), &out, func(p Progress) { last = p }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.b, f.image) {
			t.Fatal("the file is another image")
		}
		if want := int64(len(f.image)); last != (Progress{want, want}) {
			t.Fatalf("progress ends at %+v", last)
		}
		var stream bytes.Buffer
		if err := im.StreamRaw(context.Background(), &stream, nil); err != nil || !bytes.Equal(stream.Bytes(), f.image) {
			t.Fatalf("the stream is another image, %v", err)
		}
	})
}

// touched notes which bytes of a file are written.
type touched struct {
	file
	bytes int
}

func (w *touched) WriteAt(p []byte, off int64) (int, error) {
	w.bytes += len(p)
	return w.file.WriteAt(p, off)
}

func TestZeroesBecomeHoles(t *testing.T) {
	f := newFixture(t, 1, layout{chunk: 8, origin: 1 << 20, changed: 0})
	clear(f.origin[64<<10 : 960<<10])
	im := f.open(t, Options{})
	var out touched
	if err := im.WriteRaw(context.Background(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if out.bytes != 128<<10 || !bytes.Equal(out.b, f.origin) {
		t.Errorf("%d bytes were written for %d", out.bytes, 128<<10)
	}
}

// TestSpilledIndex makes an index that is larger than its memory, with a chunk
// named twice.
func TestSpilledIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 5000).Draw(t, "exceptions")
		seed := rapid.Uint64().Draw(t, "seed")
		f := newFixture(t, seed, layout{chunk: 1, origin: 512 * 6000, changed: n, mixed: true})
		small, large := newBuilder(1, ""), newBuilder(0, "")
		small.most = rapid.IntRange(1, 2000).Draw(t, "in memory")
		records := f.spec.Exceptions
		if n > 2 {
			records = append(records, cow.Exception{Old: records[1].Old, New: records[0].New})
		}
		for _, e := range records {
			if err := errors.Join(small.add(e), large.add(e)); err != nil {
				t.Fatal(err)
			}
		}
		type named struct {
			first cow.Chunk
			n     uint64
		}
		var twice [2][]named
		a, err := small.finish(func(c cow.Chunk, n uint64) { twice[0] = append(twice[0], named{c, n}) })
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		b, err := large.finish(func(c cow.Chunk, n uint64) { twice[1] = append(twice[1], named{c, n}) })
		if err != nil {
			t.Fatal(err)
		}
		if n > 2 && (len(twice[0]) != 1 || len(twice[1]) != 1) {
			t.Fatalf("twice: %v, want 1 each", twice)
		}
		from := cow.Chunk(rapid.IntRange(0, 6000).Draw(t, "from"))
		if diff := cmp.Diff(chunksFrom(t, b, from), chunksFrom(t, a, from)); diff != "" {
			t.Fatalf("from %d (-memory +disk):\n%s", from, diff)
		}
	})
}

func chunksFrom(t *rapid.T, x index, old cow.Chunk) map[cow.Chunk]cow.Chunk {
	out := map[cow.Chunk]cow.Chunk{}
	for e, err := range x.from(old) {
		if err != nil {
			t.Fatal(err)
		}
		if e.end() <= old {
			t.Fatalf("%+v ends before %d", e, old)
		}
		for i := range cow.Chunk(e.n()) {
			if _, ok := out[e.old+i]; ok {
				t.Fatalf("chunk %d twice", e.old+i)
			}
			out[e.old+i] = e.new() + i
		}
	}
	return out
}

func TestOpenRefusesWhatIsNotCertain(t *testing.T) {
	beyond := func(f fixture) { // the first exception names a chunk beyond the device
		copy(f.store[4096:], cow.Exception{Old: 1, New: 1 << 40}.AppendTo(nil))
	}
	tests := []struct {
		name   string
		break_ func(fixture)
		want   error
		best   bool // BestEffort makes an image
	}{
		{"invalidated", func(f fixture) { f.setHeader(func(h *cow.Header) { h.Valid = 0 }) }, verify.ErrInvalid, true},
		{"a chunk beyond the device", beyond, verify.ErrDamaged, true},
		{"no store", func(f fixture) { f.setHeader(func(h *cow.Header) { h.Magic = 17 }) }, verify.ErrNotStore, false},
		{"another version", func(f fixture) { f.setHeader(func(h *cow.Header) { h.Version = 2 }) }, verify.ErrNotStore, false},
		{"a wrong chunk size", func(f fixture) { f.setHeader(func(h *cow.Header) { h.ChunkSize = 3 }) }, verify.ErrNotStore, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, 3, layout{chunk: 8, origin: 1 << 20, changed: 40})
			tt.break_(f)
			if _, _, err := Open(context.Background(), f.source(), Options{}); !errors.Is(err, tt.want) {
				t.Errorf("Open: %v, want %v", err, tt.want)
			}
			im, _, err := Open(context.Background(), f.source(), Options{BestEffort: true})
			if (err == nil) != tt.best {
				t.Fatalf("with BestEffort: %v", err)
			}
			if err == nil {
				b := make([]byte, im.Size())
				if _, err := im.ReadAt(b, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	f := newFixture(t, 3, layout{chunk: 8, origin: 511})
	if _, _, err := Open(context.Background(), f.source(), Options{}); err == nil {
		t.Error("an origin without a sector has an image")
	}
}

// TestCertainRanges: in an invalidated store the copied chunks are certain, in
// a sound one everything is, and in one with contradictory exceptions nothing
// is.
func TestCertainRanges(t *testing.T) {
	const size = 1 << 20
	f := newFixture(t, 4, layout{chunk: 8, origin: size, changed: 40})
	all, copied := []Span{{0, size}}, []Span{{0, 40 * 4096}}
	rest := []Span{{40 * 4096, size - 40*4096}}
	check := func(name string, certain, uncertain []Span) {
		t.Helper()
		im := f.open(t, Options{BestEffort: true})
		if diff := cmp.Diff(certain, collect(t, im.Certain())); diff != "" {
			t.Errorf("%s: certain (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(uncertain, collect(t, im.Uncertain())); diff != "" {
			t.Errorf("%s: uncertain (-want +got):\n%s", name, diff)
		}
	}
	check("sound", all, nil)
	f.setHeader(func(h *cow.Header) { h.Valid = 0 })
	check("invalidated", copied, rest)
	copy(f.store[4096:], cow.Exception{Old: 1, New: 3}.AppendTo(nil))
	check("chunks named twice", nil, all)
}

func TestFreshStoreShowsTheOrigin(t *testing.T) {
	f := newFixture(t, 5, layout{chunk: 8, origin: 1 << 20, changed: 3})
	clear(f.store)
	im := f.open(t, Options{})
	if im.report.Verdict != verify.Empty {
		t.Fatalf("verdict %s", im.report.Verdict)
	}
	b := make([]byte, im.Size())
	if _, err := im.ReadAt(b, 0); err != nil || !bytes.Equal(b, f.origin) {
		t.Errorf("another image than the origin, %v", err)
	}
	if got := collect(t, im.Changed()); got != nil {
		t.Errorf("changed: %v", got)
	}
}

func TestReadErrorsAreErrors(t *testing.T) {
	f := newFixture(t, 6, layout{chunk: 8, origin: 1 << 20, changed: 40})
	ctx := context.Background()
	for name, broken := range map[string]func(*Source){
		"origin": func(s *Source) { s.Origin = brokenAt{bytes.NewReader(f.origin), 900 << 10, 901 << 10} },
		"store":  func(s *Source) { s.Store = brokenAt{bytes.NewReader(f.store), 5 * 4096, 6 * 4096} },
		"short":  func(s *Source) { s.Origin = bytes.NewReader(f.origin[:1<<19]) },
	} {
		src := f.source()
		broken(&src)
		im, _, err := Open(ctx, src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := im.WriteRaw(ctx, &file{}, nil); !errors.Is(err, errBroken) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInterruptedCopy(t *testing.T) {
	f := newFixture(t, 6, layout{chunk: 8, origin: 16 << 20, changed: 40})
	ctx, cancel := context.WithCancel(context.Background())
	im := f.open(t, Options{})
	err := im.WriteRaw(ctx, &file{}, func(Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
