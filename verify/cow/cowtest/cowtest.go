// Package cowtest writes COW stores as the kernel would, for tests and
// benchmarks. It writes the header and the areas; data chunks stay holes.
package cowtest

import (
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Store describes a store to write.
type Store struct {
	Chunk      cow.Sectors
	Exceptions []cow.Exception
	// Stale are records after the terminator, in the same area.
	Stale []cow.Exception
	// DeviceChunks is the size of the device; 0 means just enough for the areas
	// and their data.
	DeviceChunks uint64
	// Invalid marks the store as invalidated.
	Invalid bool
}

// Canonical returns exceptions for the origin chunks old, with the COW chunks
// that a kernel assigns if it completes exceptions in order.
func Canonical(chunk cow.Sectors, old ...cow.Chunk) []cow.Exception {
	g := geometry(chunk)
	out := make([]cow.Exception, len(old))
	for k, o := range old {
		out[k] = cow.Exception{Old: o, New: g.DataChunk(uint64(k))}
	}
	return out
}

// Run returns n chunks: first, first+1, and so on.
func Run(first cow.Chunk, n int) []cow.Chunk {
	out := make([]cow.Chunk, n)
	for i := range out {
		out[i] = first + cow.Chunk(i)
	}
	return out
}

// Bytes returns the store as an image.
func (s Store) Bytes() []byte {
	image := make(memory, s.Size())
	if err := s.Write(image); err != nil {
		panic(err) // memory takes every write within its size
	}
	return image
}

// Size is the size of the store's device in bytes.
func (s Store) Size() int64 {
	g := geometry(s.Chunk)
	if s.DeviceChunks != 0 {
		return int64(s.DeviceChunks) * g.ChunkBytes()
	}
	areas := uint64(len(s.Exceptions))/g.ExceptionsPerArea() + 1
	end := g.AreaChunk(areas)
	for _, e := range s.Exceptions {
		if e.New < 1<<32 {
			end = max(end, e.New+1)
		}
	}
	return int64(end) * g.ChunkBytes()
}

// Write writes the header and the areas.
func (s Store) Write(w io.WriterAt) error {
	header := cow.NewHeader(s.Chunk)
	if s.Invalid {
		header.Valid = 0
	}
	records := func(yield func(cow.Exception) bool) {
		lists := [][]cow.Exception{s.Exceptions}
		if len(s.Stale) > 0 {
			lists = append(lists, []cow.Exception{{}}, s.Stale)
		}
		for _, list := range lists {
			for _, e := range list {
				if !yield(e) {
					return
				}
			}
		}
	}
	return Write(w, header, records)
}

// Write writes a header and then the records into areas. It zeroes the rest of
// the last area if the device has room for it.
func Write(w io.WriterAt, header cow.Header, records iter.Seq[cow.Exception]) error {
	g := geometry(header.ChunkSectors())
	chunk := header.AppendTo(make([]byte, 0, g.ChunkBytes()))
	if _, err := w.WriteAt(chunk[:cap(chunk)], 0); err != nil {
		return err
	}
	area, buf := uint64(0), make([]byte, 0, g.ChunkBytes())
	flush := func() error {
		clear(buf[len(buf):cap(buf)])
		_, err := w.WriteAt(buf[:cap(buf)], int64(g.RecordOffset(area, 0)))
		area, buf = area+1, buf[:0]
		return err
	}
	for e := range records {
		if buf = e.AppendTo(buf); len(buf) == cap(buf) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != io.ErrShortWrite {
		return err
	}
	return nil
}

func geometry(chunk cow.Sectors) cow.Geometry {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		panic(fmt.Sprintf("cannot make a test store: %v", err))
	}
	return g
}

// memory is a device in memory. Like a device, it rejects writes past its end.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.ErrShortWrite
	}
	n := copy(m[off:], p)
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
