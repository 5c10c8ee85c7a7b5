//go:build linux

// The stores to judge.

package main

import (
	"fmt"
	"os"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

const (
	chunkSectors = cow.Sectors(8)
	chunkBytes   = 4096
)

// kind describes a store. Its origin was written in random order, each chunk
// once.
type kind struct {
	exceptions uint64
	origin     uint64 // chunks that are written to, a power of two
	apart      bool   // every second chunk of the origin is written to: none has a neighbour
	scatter    uint64 // chunks over which the data is spread, a power of two; 0: canonical
}

var kinds = []kind{
	{exceptions: 1_000_000, origin: 1 << 20},
	{exceptions: 16_700_000, origin: 1 << 24},
	{exceptions: 16_700_000, origin: 1 << 24, apart: true},
	{exceptions: 1_000_000, origin: 1 << 28}, // spread over 1 TiB
	{exceptions: 2_087_500, origin: 1 << 40, scatter: 1 << 31},
	{exceptions: 4_175_000, origin: 1 << 40, scatter: 1 << 31},
	{exceptions: 8_350_000, origin: 1 << 40, scatter: 1 << 31},
	{exceptions: 16_700_000, origin: 1 << 40, scatter: 1 << 31},
	{exceptions: 33_400_000, origin: 1 << 40, scatter: 1 << 31},
}

// sample is a generated store.
type sample struct {
	kind
	path     string
	size     uint64 // bytes
	areas    uint64
	geometry cow.Geometry
}

// name is what is special about a kind.
func (k kind) name() string {
	layout := "in the canonical layout"
	if k.scatter > 0 {
		layout = "scattered all over the device"
	}
	if k.apart {
		layout += ", of every second origin chunk"
	}
	return fmt.Sprintf("%d exceptions %s", k.exceptions, layout)
}

// stride is how far apart neighbouring origin chunks are.
func (k kind) stride() uint64 {
	if k.apart {
		return 2
	}
	return 1
}

func (s *sample) String() string {
	return fmt.Sprintf("%s, %d areas, %d MiB of metadata in a store of %d GiB, of an origin of %d GiB",
		s.name(), s.areas, s.areas*chunkBytes>>20, s.size>>30, s.origin*s.stride()*chunkBytes>>30)
}

// generate makes a store of a kind.
func generate(path string, k kind) (*sample, error) {
	g, err := cow.NewGeometry(chunkSectors)
	if err != nil {
		return nil, err
	}
	s := &sample{kind: k, path: path, areas: k.exceptions/g.ExceptionsPerArea() + 1, geometry: g}
	s.size = uint64(g.DataChunk(k.exceptions-1)+2) * chunkBytes
	place := g.DataChunk
	if k.scatter > 0 {
		s.size = uint64(g.DataChunk(k.scatter)) * chunkBytes
		at := jump(1, k.scatter)
		place = func(uint64) cow.Chunk {
			at = jump(at, k.scatter)
			return g.DataChunk(at)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(s.size)); err != nil {
		return nil, err
	}
	records := func(yield func(cow.Exception) bool) {
		for n, old := uint64(0), uint64(1); n < k.exceptions; n++ {
			if !yield(cow.Exception{Old: cow.Chunk(old * k.stride()), New: place(n)}) {
				return
			}
			old = jump(old, k.origin)
		}
	}
	if err := cowtest.Write(f, cow.NewHeader(chunkSectors), records); err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return s, f.Sync()
}

// jump returns the number after n in a sequence that jumps around among the
// numbers below of, a power of two, and visits each once. It is a full-period
// generator (its increment is odd, its factor minus one is divisible by 4).
func jump(n, of uint64) uint64 {
	return (n*6364136223846793005 + 1442695040888963407) & (of - 1)
}

// verify is the command line that judges the store. Scattered chunks leave
// holes, which cause a warning.
func (s *sample) verify() []string { return []string{"verify", "--quiet", s.path} }
