package cow

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestSizesAreThoseOfLVM uses the origins and sizes of LVM's own tests.
func TestSizesAreThoseOfLVM(t *testing.T) {
	tests := []struct {
		origin      int64 // bytes
		chunk       Sectors
		good, leaky uint64 // chunks
	}{
		{4 << 10, 8, 3, 4},
		{20 << 10, 8, 7, 8},
		{128 << 10, 256, 3, 4},
		{2143289344, 16, 262145, 266242},
	}
	for _, tt := range tests {
		g := mustGeometry(t, tt.chunk)
		for leaky, want := range map[bool]uint64{false: tt.good, true: tt.leaky} {
			got, err := g.SizesFor(tt.origin, math.MaxInt64, 0, leaky)
			if err != nil || got.Maximum != int64(want)*g.ChunkBytes() || got.Needed != got.Maximum || got.Minimum != 3*g.ChunkBytes() {
				t.Errorf("origin of %d bytes, chunks of %d sectors, leaky %v: %+v, %v; want %d chunks", tt.origin, tt.chunk, leaky, got, err, want)
			}
		}
	}
}

// TestChunksForIsWhatAllocationTakes allocates as the kernel does, and checks
// that the size has room for n exceptions and their terminator, and that one
// chunk less has not.
func TestChunksForIsWhatAllocationTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := mustGeometry(t, 1<<rapid.IntRange(0, 4).Draw(t, "chunk sectors, as a power of two"))
		n := rapid.Uint64Range(1, 5000).Draw(t, "n")
		last := g.DataChunk(n - 1)
		terminator := g.AreaChunk(n / g.ExceptionsPerArea())
		if got, want := g.ChunksFor(n), uint64(max(last, terminator))+1; got != want {
			t.Fatalf("%d exceptions: %d chunks, want %d", n, got, want)
		}
	})
}

func TestSizesForWrites(t *testing.T) {
	g := mustGeometry(t, 8)
	tests := []struct {
		name                   string
		origin, written        int64
		held                   uint64
		wantNeeded, wantMaxima uint64 // exceptions
	}{
		{"nothing written", 1 << 20, 0, 0, 0, 256},
		{"a part of a chunk", 1 << 20, 1, 0, 1, 256},
		{"more than there is", 1 << 20, 1 << 30, 0, 256, 256},
		{"beside what is held", 1 << 20, 8192, 10, 12, 256},
		{"held with leaks, over the origin", 1 << 20, 8192, 300, 300, 300},
	}
	for _, tt := range tests {
		got, err := g.SizesFor(tt.origin, tt.written, tt.held, false)
		if err != nil || got.Needed != int64(g.ChunksFor(tt.wantNeeded))*4096 || got.Maximum != int64(g.ChunksFor(tt.wantMaxima))*4096 {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestSizesDoNotOverflow(t *testing.T) {
	if got := WithLeakySlack(math.MaxUint64 - 3); got != math.MaxUint64 {
		t.Errorf("slack wraps to %d", got)
	}
	if got := mustGeometry(t, 1).ChunksFor(math.MaxUint64); got != math.MaxUint64 {
		t.Errorf("chunks wrap to %d", got)
	}
	g := mustGeometry(t, 1)
	const largest = math.MaxInt64 / 512 * 32 / 33 * 512 // with one area to 32 chunks, about 2^63 bytes
	for _, tt := range []struct {
		origin int64
		held   uint64
		fits   bool
	}{{largest - 1<<20, 0, true}, {largest + 1<<20, 0, false}, {math.MaxInt64, 0, false}, {0, math.MaxUint64, false}} {
		if got, err := g.SizesFor(tt.origin, math.MaxInt64, tt.held, false); (err == nil) != tt.fits || err != nil && !errors.Is(err, ErrSize) {
			t.Errorf("origin of %d bytes, %d exceptions held: %+v, %v", tt.origin, tt.held, got, err)
		}
		if most := g.MostBytes(tt.origin, false); tt.held == 0 && (most == math.MaxInt64) == tt.fits {
			t.Errorf("origin of %d bytes: a store of %d bytes holds it", tt.origin, most)
		}
	}
}

func TestCheckSizes(t *testing.T) {
	for bytes, want := range map[int64]bool{-512: false, 0: false, 1: false, 511: false, 512: true, 513: false, 1 << 40: true} {
		if err := CheckDeviceBytes(bytes); (err == nil) != want {
			t.Errorf("a device of %d bytes: %v", bytes, err)
		}
	}
	for bytes, want := range map[int64]bool{0: false, 8192: false, 12287: false, 12288: true, 1 << 40: true} {
		if err := CheckStoreBytes(bytes, 8); (err == nil) != want {
			t.Errorf("a COW device of %d bytes, with chunks of 4096: %v", bytes, err)
		}
	}
}

// TestSmallestSafe: with chunks of 4 KiB, area 1 is chunk 258.
func TestSmallestSafe(t *testing.T) {
	g := mustGeometry(t, 8)
	for _, tt := range []struct {
		name  string
		next  Chunk
		areas uint64
		want  int64 // chunks
	}{
		{"nothing in it", 0, 0, 3},
		{"one area, no data", 2, 1, 3},
		{"data after the only area", 25, 1, 25},
		{"an area after the data", 258, 2, 259},
		{"data after the last area", 300, 2, 300},
	} {
		if got := g.SmallestSafe(tt.next, tt.areas); got != tt.want*4096 {
			t.Errorf("%s: %d bytes, want %d", tt.name, got, tt.want*4096)
		}
	}
}
