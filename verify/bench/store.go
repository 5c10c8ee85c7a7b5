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
	origin     uint64 // chunks, a power of two
	scatter    uint64 // chunks over which the data is spread, a power of two; 0: canonical
}

var kinds = []kind{
	{exceptions: 1_000_000, origin: 1 << 20},
	{exceptions: 16_700_000, origin: 1 << 24},
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

func (s *sample) String() string {
	layout := "in the canonical layout"
	if s.scatter > 0 {
		layout = "scattered all over the device"
	}
	return fmt.Sprintf("%d exceptions %s, %d areas, %d MiB of metadata in a store of %d GiB, of an origin of %d GiB",
		s.exceptions, layout, s.areas, s.areas*chunkBytes>>20, s.size>>30, s.origin*chunkBytes>>30)
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
			if !yield(cow.Exception{Old: cow.Chunk(old), New: place(n)}) {
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
