package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// wholeOutOfOrder is a store of all chunks of an origin, in no order; a third of
// them is zero.
var wholeOutOfOrder = layout{chunk: 8, origin: 4 << 20, changed: 1024, mixed: true, zero: true}

// TestTornPartsHaveHolesToo: what is allocated before it is written gives back
// the room of its zeroes.
func TestTornPartsHaveHolesToo(t *testing.T) {
	f := newFixture(t, 7, wholeOutOfOrder)
	im := f.open(t, Options{})
	if spans := collect(t, im.torn()); len(spans) != 1 || spans[0] != (Span{0, 4 << 20}) {
		t.Fatalf("torn: %v, want the whole image", spans)
	}
	path := filepath.Join(t.TempDir(), "raw")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := im.WriteRaw(context.Background(), out, nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, f.image) {
		t.Errorf("another image, error %v", err)
	}
	nonzero := int64(0)
	for start, end := range nonZero(f.image, holeBytes) {
		nonzero += int64(end - start)
	}
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// A file system may need some room for the list of pieces.
	if took := info.Sys().(*syscall.Stat_t).Blocks * 512; took > nonzero+nonzero/8 || took < nonzero {
		t.Errorf("%d bytes are allocated for %d", took, nonzero)
	}
}

// TestReserveStops when the caller wants it to.
func TestReserveStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := newFixture(t, 7, wholeOutOfOrder)
	r := rawFile{file: &file{}}
	if err := r.reserve(ctx, f.open(t, Options{}).torn()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestTorn parts are long, and in short runs on the store.
func TestTorn(t *testing.T) {
	for name, test := range map[string]struct {
		layout
		want int
	}{
		"in order":            {layout{chunk: 8, origin: 4 << 20, changed: 1024}, 0},
		"out of order":        {layout{chunk: 8, origin: 4 << 20, changed: 1024, mixed: true}, 1},
		"short":               {layout{chunk: 8, origin: 1<<20 - 4096, changed: 255, mixed: true}, 0},
		"scattered over it":   {layout{chunk: 8, origin: 4 << 20, changed: 100, mixed: true}, 0},
		"large chunks":        {layout{chunk: 128, origin: 4 << 20, changed: 64, mixed: true}, 0},
		"less than a page":    {layout{chunk: 1, origin: 2 << 20, changed: 4096, mixed: true}, 0},
		"of a partial sector": {layout{chunk: 8, origin: 2<<20 + 512, changed: 513, mixed: true}, 1},
	} {
		f := newFixture(t, 3, test.layout)
		if spans := collect(t, f.open(t, Options{}).torn()); len(spans) != test.want {
			t.Errorf("%s: torn: %v, want %d", name, spans, test.want)
		}
	}
}
