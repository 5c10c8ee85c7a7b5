package cow

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustGeometry(t interface{ Fatalf(string, ...any) }, chunk Sectors) Geometry {
	g, err := NewGeometry(chunk)
	if err != nil {
		t.Fatalf("NewGeometry(%d): %v", chunk, err)
	}
	return g
}

func TestGeometryPlaces(t *testing.T) {
	type places struct {
		ChunkBytes int64
		PerArea    uint64
		Areas      []Chunk // chunks of areas 0, 1, 2
		Data       []Chunk // chunks of data 0, E-1, E, 2E
	}
	tests := []struct {
		chunk Sectors
		want  places
	}{
		{1, places{512, 32, []Chunk{1, 34, 67}, []Chunk{2, 33, 35, 68}}},
		{8, places{4096, 256, []Chunk{1, 258, 515}, []Chunk{2, 257, 259, 516}}},
		{1024, places{524288, 32768, []Chunk{1, 32770, 65539}, []Chunk{2, 32769, 32771, 65540}}},
	}
	for _, tt := range tests {
		g := mustGeometry(t, tt.chunk)
		e := g.ExceptionsPerArea()
		got := places{g.ChunkBytes(), e,
			[]Chunk{g.AreaChunk(0), g.AreaChunk(1), g.AreaChunk(2)},
			[]Chunk{g.DataChunk(0), g.DataChunk(e - 1), g.DataChunk(e), g.DataChunk(2 * e)}}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("chunks of %d sectors (-want +got):\n%s", tt.chunk, diff)
		}
		if g.ChunkSectors() != tt.chunk {
			t.Errorf("ChunkSectors: %d, want %d", g.ChunkSectors(), tt.chunk)
		}
	}
}

func TestRoundUp(t *testing.T) {
	g := mustGeometry(t, 8)
	for _, tt := range []struct {
		size, want int64
		ok         bool
	}{
		{0, 0, true}, {1, 4096, true}, {4096, 4096, true}, {4097, 8192, true},
		{math.MaxInt64 - 4095, math.MaxInt64 - 4095, true}, {math.MaxInt64 - 4094, 0, false}, {math.MaxInt64, 0, false},
	} {
		got, ok := g.RoundUp(tt.size)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("RoundUp(%d) = %d, %v, want %d, %v", tt.size, got, ok, tt.want, tt.ok)
		}
	}
}

// TestGeometryWalk visits the chunks of a device one by one, as the kernel
// allocates them, and compares all arithmetic with that.
func TestGeometryWalk(t *testing.T) {
	for _, chunk := range []Sectors{1, 2, 8} {
		g := mustGeometry(t, chunk)
		area, k := uint64(0), uint64(0)
		for c := Chunk(0); c < 2000; c++ {
			metadata := c == 0 || c == g.AreaChunk(area)
			if g.IsMetadata(c) != metadata {
				t.Fatalf("chunk %d: metadata %v, want %v", c, g.IsMetadata(c), metadata)
			}
			if got := g.dataChunksBelow(c); got != k {
				t.Fatalf("chunk %d: %d data chunks below, want %d", c, got, k)
			}
			index, ok := g.DataIndex(c)
			if ok == metadata || ok && index != k {
				t.Fatalf("DataIndex(%d) = %d, %v; want %d", c, index, ok, k)
			}
			switch {
			case c == 0:
			case metadata:
				if g.AreaOf(c) != area {
					t.Fatalf("AreaOf(%d) = %d, want %d", c, g.AreaOf(c), area)
				}
				area++
			default:
				if g.AreaOf(c) != area-1 || g.DataChunk(k) != c {
					t.Fatalf("chunk %d: area %d, DataChunk(%d) = %d; want area %d", c, g.AreaOf(c), k, g.DataChunk(k), area-1)
				}
				k++
			}
			if next := g.SkipMetadata(c); c > 0 && (g.IsMetadata(next) || next-c > 1 || !metadata && next != c) {
				t.Fatalf("SkipMetadata(%d) = %d", c, next)
			}
		}
	}
}

func anyGeometry(t *rapid.T) Geometry {
	return mustGeometry(t, 1<<rapid.IntRange(0, 21).Draw(t, "chunk sectors, as a power of two"))
}

func TestDataIndexInvertsDataChunk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := anyGeometry(t)
		k := rapid.Uint64Range(0, 1<<62).Draw(t, "k")
		if got, ok := g.DataIndex(g.DataChunk(k)); !ok || got != k {
			t.Fatalf("DataIndex(DataChunk(%d)) = %d, %v", k, got, ok)
		}
		c := Chunk(rapid.Uint64().Draw(t, "chunk"))
		if got, ok := g.DataIndex(c); ok && g.DataChunk(got) != c {
			t.Fatalf("DataChunk(DataIndex(%d)) = %d", c, g.DataChunk(got))
		} else if ok == g.IsMetadata(c) {
			t.Fatalf("chunk %d: data %v and metadata %v", c, ok, g.IsMetadata(c))
		}
	})
}

func TestDataChunksInCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := mustGeometry(t, 1<<rapid.IntRange(0, 3).Draw(t, "chunk sectors, as a power of two"))
		base := Chunk(rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, math.MaxUint64-3000)).Draw(t, "base"))
		first := base + Chunk(rapid.Uint64Range(0, 1500).Draw(t, "first"))
		end := base + Chunk(rapid.Uint64Range(0, 1500).Draw(t, "end"))
		want := uint64(0)
		for c := first; c < end; c++ {
			if !g.IsMetadata(c) {
				want++
			}
		}
		if got := g.DataChunksIn(first, end); got != want {
			t.Fatalf("DataChunksIn(%d, %d) = %d, counted %d", first, end, got, want)
		}
	})
}

func TestChunksOfSizes(t *testing.T) {
	g := mustGeometry(t, 8)
	tests := []struct {
		bytes           int64
		whole, covering uint64
	}{
		{0, 0, 0}, {1, 0, 1}, {4095, 0, 1}, {4096, 1, 1}, {4097, 1, 2}, {1 << 44, 1 << 32, 1 << 32},
		{math.MaxInt64, 1<<51 - 1, 1 << 51}, {-1, 0, 0}, {-4096, 0, 0}, {math.MinInt64, 0, 0},
	}
	for _, tt := range tests {
		if whole, covering := g.ChunksIn(tt.bytes), g.ChunksCovering(tt.bytes); whole != tt.whole || covering != tt.covering {
			t.Errorf("%d bytes: %d whole chunks, %d covering; want %d, %d", tt.bytes, whole, covering, tt.whole, tt.covering)
		}
	}
}

func TestOffset(t *testing.T) {
	g := mustGeometry(t, 8)
	tests := []struct {
		c    Chunk
		want uint64
		ok   bool
	}{
		{0, 0, true}, {253, 253 * 4096, true}, {1<<52 - 1, math.MaxUint64 - 4095, true}, {1 << 52, 0, false}, {math.MaxUint64, 0, false},
	}
	for _, tt := range tests {
		if got, ok := g.Offset(tt.c); got != tt.want || ok != tt.ok {
			t.Errorf("Offset(%d) = %d, %v; want %d, %v", tt.c, got, ok, tt.want, tt.ok)
		}
	}
}

func TestRecordOffset(t *testing.T) {
	g := mustGeometry(t, 8)
	if got := g.RecordOffset(1, 3); got != 258*4096+48 {
		t.Errorf("RecordOffset(1, 3) = %d", got)
	}
}
