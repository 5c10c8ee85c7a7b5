package mend

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// sparse is a large device that keeps only what is written to it, how long the
// longest read and write were, and how much was read.
type sparse struct {
	*overlay
	size          int64
	mu            sync.Mutex // areas are read several at a time
	read, written int
	total         int64
}

// zeroes is a device of zeroes.
type zeroes int64

func (z zeroes) Size() int64 { return int64(z) }

func (zeroes) ReadAt(b []byte, _ int64) (int, error) {
	clear(b)
	return len(b), nil
}

func newSparse(size int64) *sparse {
	return &sparse{overlay: newOverlay(zeroes(size)), size: size}
}

func (s *sparse) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	s.read, s.total = max(s.read, len(b)), s.total+int64(len(b))
	s.mu.Unlock()
	return s.overlay.ReadAt(b, off)
}

func (s *sparse) WriteAt(b []byte, off int64) (int, error) {
	s.written = max(s.written, len(b))
	return s.overlay.WriteAt(b, off)
}

// inPieces checks that no write is large.
func inPieces(t *testing.T, stages []Stage) {
	t.Helper()
	for _, s := range stages {
		for w, err := range s.writes {
			if err != nil || len(w.data) > 1<<20 {
				t.Fatalf("%s: %d bytes to write at once, %v", s.Say, len(w.data), err)
			}
		}
	}
}

// TestLargeChunksComeInPieces: no chunk and no area is in memory as a whole.
func TestLargeChunksComeInPieces(t *testing.T) {
	const chunk = cow.Sectors(1 << 17) // 64 MiB
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		t.Fatal(err)
	}
	dev := newSparse(8 * g.ChunkBytes())
	put := func(at uint64, b []byte) {
		if _, err := dev.overlay.WriteAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	put(0, cow.NewHeader(chunk).AppendTo(nil))
	for i := range uint64(3) {
		put(g.RecordOffset(0, i), cow.Exception{Old: cow.Chunk(i), New: g.DataChunk(i)}.AppendTo(nil))
		at, _ := g.Offset(g.DataChunk(i))
		put(at+uint64(g.ChunkBytes())-512, bytes.Repeat([]byte{7}, 512))
	}
	stale := cow.Exception{Old: 9, New: 9}.AppendTo(nil)
	for slot := uint64(4); slot < g.ExceptionsPerArea(); slot += 1 << 15 {
		put(g.RecordOffset(0, slot), stale)
	}
	put(g.RecordOffset(0, g.ExceptionsPerArea()-1), stale)
	var lines bytes.Buffer
	if err := Dump(ctx, dev, dev.Size(), &lines); err != nil {
		t.Fatal(err)
	}
	p, err := Repair(ctx, dev, RepairOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inPieces(t, p.Stages)
	mustRun(t, p, nil)
	applied, im, err := Apply(ctx, dev, newSparse(dev.Size()))
	if err != nil {
		t.Fatal(err)
	}
	inPieces(t, applied.Stages[1:]) // the first one copies
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if held := len(dev.blocks); held > 1<<16+99 {
		t.Errorf("%d blocks were written", held)
	}
	// The data of an exception elsewhere, so that chunks are compared.
	put(g.RecordOffset(0, 2), cow.Exception{Old: 2, New: g.DataChunk(4)}.AppendTo(nil))
	dev.read = 0
	if _, err := Restore(ctx, bytes.NewReader(lines.Bytes()), dev, RestoreOptions{}); !errors.Is(err, ErrUncertain) {
		t.Errorf("other data: %v", err)
	}
	if dev.read > 4<<20 {
		t.Errorf("%d bytes were read at once", dev.read)
	}
}

// TestALostHeaderIsLookedForInFewPlaces: whether a device that looks empty has lost
// a store is found out without a read of all the areas that could be there.
func TestALostHeaderIsLookedForInFewPlaces(t *testing.T) {
	dev := newSparse(8 << 30)
	for _, fill := range []byte{0, 'x'} {
		if _, err := dev.overlay.WriteAt(bytes.Repeat([]byte{fill}, 4<<20), 0); err != nil {
			t.Fatal(err)
		}
		if err := CheckEmpty(ctx, dev, 0); err != nil {
			t.Errorf("full of %q: %v", fill, err)
		}
	}
	if dev.total > 1<<20 {
		t.Errorf("%d bytes were read", dev.total)
	}
	if _, err := dev.overlay.WriteAt(cow.Exception{Old: 0, New: cow.FirstData}.AppendTo(nil), 128<<20); err != nil {
		t.Fatal(err)
	}
	if err := CheckEmpty(ctx, dev, 0); !errors.Is(err, verify.ErrHeaderLost) {
		t.Errorf("with an area: %v", err)
	}
}
