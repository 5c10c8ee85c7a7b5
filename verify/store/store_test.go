package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

const chunk4K = cow.Sectors(8) // 256 exceptions to an area

// flaky is an image in which some blocks of 4096 bytes cannot be read.
type flaky struct {
	*bytes.Reader
	bad map[int64]bool
}

func (f flaky) ReadAt(p []byte, off int64) (int, error) {
	for at := off / 4096; at*4096 < off+int64(len(p)); at++ {
		if f.bad[at] {
			return 0, syscall.EIO
		}
	}
	return f.Reader.ReadAt(p, off)
}

func open(t *testing.T, image []byte, bad ...int64) *Store {
	t.Helper()
	f := flaky{bytes.NewReader(image), map[int64]bool{}}
	for _, b := range bad {
		f.bad[b] = true
	}
	s, err := Open(f, int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpenRefuses(t *testing.T) {
	header := func(change func(*cow.Header)) []byte {
		h := cow.NewHeader(8)
		change(&h)
		return h.AppendTo(nil)
	}
	tests := []struct {
		name  string
		image []byte
		want  error
	}{
		{"nothing", nil, ErrTooShort},
		{"a part of a header", header(func(*cow.Header) {})[:15], ErrTooShort},
		{"zeros", make([]byte, 16), ErrFresh},
		{"something else", bytes.Repeat([]byte{7}, 16), ErrMagic},
		{"another version", header(func(h *cow.Header) { h.Version = 2 }), ErrVersion},
		{"chunks of 0 sectors", header(func(h *cow.Header) { h.ChunkSize = 0 }), ErrChunkSize},
		{"chunks of 2 TiB", header(func(h *cow.Header) { h.ChunkSize = math.MaxUint32 }), ErrChunkSize},
		{"an invalidated store", header(func(h *cow.Header) { h.Valid = 0 }), nil},
	}
	for _, tt := range tests {
		s, err := Open(bytes.NewReader(tt.image), int64(len(tt.image)))
		var why *FormatError
		switch {
		case tt.want == nil && err == nil:
			if s.Header().ChunkSectors() != 8 || s.Geometry().ChunkBytes() != 4096 || s.Size() != 16 {
				t.Errorf("%s: %+v", tt.name, s)
			}
		case !errors.Is(err, tt.want) || !errors.As(err, &why) || (why.Header == nil) != errors.Is(err, ErrTooShort):
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := Open(flaky{bytes.NewReader(make([]byte, 4096)), map[int64]bool{0: true}}, 4096); !errors.Is(err, syscall.EIO) {
		t.Errorf("an unreadable header: error %v", err)
	}
	if _, err := Open(bytes.NewReader(make([]byte, 8)), 4096); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a device that is smaller than it says: error %v", err)
	}
}

// got is what an iteration yielded: exceptions, and errors with their places.
type got struct {
	Exceptions []cow.Exception
	Errors     []string
}

func collect(s *Store) (g got) {
	for r, err := range s.Exceptions(context.Background()) {
		if err != nil {
			g.Errors = append(g.Errors, err.Error())
			continue
		}
		g.Exceptions = append(g.Exceptions, r.Exception)
	}
	return g
}

func TestExceptions(t *testing.T) {
	list := cowtest.Canonical(chunk4K, cowtest.Run(1000, 600)...) // areas 0, 1 and 88 records of area 2
	image := func(deviceChunks uint64, list []cow.Exception, stale ...cow.Exception) []byte {
		return cowtest.Store{Chunk: chunk4K, Exceptions: list, DeviceChunks: deviceChunks, Stale: stale}.Bytes()
	}
	beyond := bytes.Repeat([]byte{0xff}, 4096)
	garbage := image(1000, list)
	copy(garbage[515*4096:], beyond) // area 2
	tests := []struct {
		name  string
		image []byte
		bad   []int64
		want  got
	}{
		{"none", image(10, nil), nil, got{}},
		{"some", image(1000, list), nil, got{Exceptions: list}},
		{"what is behind the terminator does not belong to them", image(1000, list, cow.Exception{Old: 1, New: 2}), nil, got{Exceptions: list}},
		{"areas that are all full", image(1000, list[:512]), nil, got{Exceptions: list[:512]}},
		{"the device ends", image(515, list), nil, got{list[:512], []string{ErrTruncated.Error()}}},
		{"the device ends in area 0", image(1, nil), nil, got{nil, []string{ErrTruncated.Error()}}},
		{"an area cannot be read", image(1000, list), []int64{258}, got{append(list[:256:256], list[512:]...), []string{"area 1, 256 records from record 0 on: input/output error"}}},
		{"and no record of the next can belong to the list", garbage, []int64{258}, got{list[:256], []string{"area 1, 256 records from record 0 on: input/output error"}}},
		{"the last area cannot be read", image(516, list[:300]), []int64{258}, got{list[:256], []string{"area 1, 256 records from record 0 on: input/output error"}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, collect(open(t, tt.image, tt.bad...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestExceptionsHavePlaces, and the caller can stop at any of them.
func TestExceptionsHavePlaces(t *testing.T) {
	s := open(t, cowtest.Store{Chunk: chunk4K, Exceptions: cowtest.Canonical(chunk4K, cowtest.Run(0, 600)...)}.Bytes())
	k := uint64(0)
	for r, err := range s.Exceptions(context.Background()) {
		if err != nil || r.Area != k/256 || r.Slot != k%256 {
			t.Fatalf("exception %d: %+v, %v", k, r, err)
		}
		if k++; k == 300 {
			break
		}
	}
}

// TestReadErrorsHavePlaces: an area is read around its bad blocks.
func TestReadErrorsHavePlaces(t *testing.T) {
	const chunk = cow.Sectors(32) // 1024 records in four blocks
	image := cowtest.Store{Chunk: chunk, Exceptions: cowtest.Canonical(chunk, cowtest.Run(0, 2000)...)}.Bytes()
	s := open(t, image, 4+2)
	read := 0
	for r, err := range s.Exceptions(context.Background()) {
		if err == nil {
			read++
			continue
		}
		var why *ReadError
		want := &ReadError{Area: 0, Slot: 512, Records: 256, Offset: 6 * 4096, Err: syscall.EIO}
		if !errors.As(err, &why) || *why != *want || r.Area != 0 || r.Slot != 512 || read != 512 {
			t.Errorf("after %d records %+v: %+v", read, r, err)
		}
	}
	if read != 2000-256 {
		t.Errorf("%d records were read", read)
	}
}

func TestPiecesFromAnArea(t *testing.T) {
	list := cowtest.Canonical(chunk4K, cowtest.Run(0, 600)...)
	s := open(t, cowtest.Store{Chunk: chunk4K, Exceptions: list, Stale: []cow.Exception{{Old: 3, New: 4}}}.Bytes())
	n, behind := 0, 0
	end, err := s.Pieces(context.Background(), 1, func(p Piece) bool {
		n += len(p.Records) / cow.ExceptionSize
		if p.Filled != (p.Area == 1) || p.InOrder != (p.Area == 1) {
			t.Errorf("area %d: %+v", p.Area, p)
		}
		for slot, e := range cow.Exceptions(p.Behind) {
			if !e.Terminates() {
				behind++
				if at := p.BehindSlot + uint64(slot); at != 600-512+1 {
					t.Errorf("a record at %d behind the terminator", at)
				}
			}
		}
		return true
	})
	if want := (End{Terminator, 3}); n != 600-256 || behind != 1 || end != want || err != nil {
		t.Errorf("%d records, %d behind, end %+v, error %v", n, behind, end, err)
	}
}

func TestInterruptedExceptions(t *testing.T) {
	s := open(t, cowtest.Store{Chunk: chunk4K, Exceptions: cowtest.Canonical(chunk4K, cowtest.Run(0, 100_000)...)}.Bytes())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	n := 0
	for _, err := range s.Exceptions(ctx) {
		if n++; n == 1000 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || n > 99_000 {
		t.Errorf("%d exceptions after all, last error %v", n, last)
	}
}

// FuzzExceptions: for any image, iteration ends, and memory does not grow with
// what the header claims.
func FuzzExceptions(f *testing.F) {
	f.Add(cowtest.Store{Chunk: 1, Exceptions: cowtest.Canonical(1, 4, 5, 6)}.Bytes())
	f.Add(cow.NewHeader(1 << 21).AppendTo(nil))
	f.Fuzz(func(t *testing.T, image []byte) {
		s, err := Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		n := uint64(0)
		for _, err := range s.Exceptions(context.Background()) {
			if err == nil {
				n++
			}
		}
		if n > uint64(len(image))/cow.ExceptionSize {
			t.Errorf("%d exceptions in %d bytes", n, len(image))
		}
	})
}
