//go:build linux

// The stores that are judged.

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

// sample is a generated store.
type sample struct {
	path       string
	size       uint64 // bytes
	exceptions uint64
	areas      uint64
	geometry   cow.Geometry
}

// generate makes a clean store in the canonical layout. The origin has so many
// chunks, a power of two, and they were written to in random order.
func generate(path string, exceptions, origin uint64) (*sample, error) {
	g, err := cow.NewGeometry(chunkSectors)
	if err != nil {
		return nil, err
	}
	s := &sample{path: path, exceptions: exceptions, areas: exceptions/g.ExceptionsPerArea() + 1, geometry: g}
	s.size = uint64(g.DataChunk(exceptions-1)+2) * chunkBytes
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(s.size)); err != nil {
		return nil, err
	}
	records := func(yield func(cow.Exception) bool) {
		// A full-period generator (c odd, a-1 divisible by 4) names each
		// chunk of the origin once, and jumps all over it.
		for k, old := uint64(0), uint64(1); k < exceptions; k++ {
			if !yield(cow.Exception{Old: cow.Chunk(old), New: g.DataChunk(k)}) {
				return
			}
			old = (old*6364136223846793005 + 1442695040888963407) & (origin - 1)
		}
	}
	if err := cowtest.Write(f, cow.NewHeader(chunkSectors), records); err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return s, f.Sync()
}

// offset is the byte at which an area starts.
func (s *sample) offset(area uint64) int64 { return int64(s.geometry.RecordOffset(area, 0)) }
