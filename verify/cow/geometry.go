// Geometry: the layout of a store. Header, area 0, its data chunks, area 1, its
// data chunks, and so on to the end of the device.

package cow

import "math"

// Geometry is the layout of a store with a given chunk size. Its zero value is
// not usable; NewGeometry makes one.
type Geometry struct {
	chunk   Sectors
	perArea uint64 // exceptions per area: E
}

// NewGeometry returns the geometry of stores with this chunk size. It fails if
// CheckChunkSize does.
func NewGeometry(chunk Sectors) (Geometry, error) {
	if err := CheckChunkSize(chunk); err != nil {
		return Geometry{}, err
	}
	return Geometry{chunk: chunk, perArea: uint64(chunk) * SectorSize / ExceptionSize}, nil
}

// ChunkSectors is the size of a chunk in sectors.
func (g Geometry) ChunkSectors() Sectors { return g.chunk }

// ChunkBytes is the size of a chunk, and of an area, in bytes.
func (g Geometry) ChunkBytes() int64 { return int64(g.bytes()) }

// bytes is ChunkBytes for places, which are unsigned.
func (g Geometry) bytes() uint64 { return uint64(g.chunk) * SectorSize }

// ExceptionsPerArea is the number of records in an area: E in the formulas.
func (g Geometry) ExceptionsPerArea() uint64 { return g.perArea }

// ChunksIn is the number of whole chunks in size bytes; a negative size has
// none.
func (g Geometry) ChunksIn(size int64) uint64 { return uint64(max(0, size) / g.ChunkBytes()) }

// ChunksCovering is the number of chunks needed to cover size bytes; a negative
// size needs none. The last chunk of an origin may be partial.
func (g Geometry) ChunksCovering(size int64) uint64 {
	n := g.ChunksIn(size)
	if max(0, size)%g.ChunkBytes() != 0 {
		n++
	}
	return n
}

// RoundUp is the size in bytes of the whole chunks that cover size bytes, which
// must not be negative. ok is false if it exceeds the largest size of a file.
func (g Geometry) RoundUp(size int64) (bytes int64, ok bool) {
	chunk := g.ChunkBytes()
	short := (chunk - size%chunk) % chunk
	return size + short, size <= math.MaxInt64-short
}

// AreaChunk is the chunk that holds an area: 1 + area·(E+1), the kernel's
// area_location.
func (g Geometry) AreaChunk(area uint64) Chunk { return Chunk(1 + area*(g.perArea+1)) }

// IsMetadata reports whether a chunk cannot hold data: the header's chunk, or
// the chunk of an area.
func (g Geometry) IsMetadata(c Chunk) bool {
	return c == 0 || g.slotOf(c) == 0
}

// slotOf is a chunk's place in its group of an area and E data chunks; 0 is the
// area itself. c must not be 0.
func (g Geometry) slotOf(c Chunk) uint64 {
	n, d := uint64(c)-1, g.perArea+1
	if n|d <= math.MaxUint32 { // several times as fast as the wide division
		return uint64(uint32(n) % uint32(d))
	}
	return n % d
}

// AreaOf is the area whose group contains chunk c: the area itself or one of
// the E data chunks after it. c must not be 0, the header's chunk.
func (g Geometry) AreaOf(c Chunk) uint64 { return (uint64(c) - 1) / (g.perArea + 1) }

// DataChunk is data chunk k, counted from 0: 2 + k + ⌊k/E⌋. This is the
// canonical layout: a kernel that completes exceptions in the order of
// allocation gives exception k this chunk.
func (g Geometry) DataChunk(k uint64) Chunk { return FirstData + Chunk(k+k/g.perArea) }

// DataIndex is the inverse of DataChunk; ok is false for metadata chunks.
func (g Geometry) DataIndex(c Chunk) (k uint64, ok bool) {
	if g.IsMetadata(c) {
		return 0, false
	}
	return uint64(c-FirstData) - g.AreaOf(c), true
}

// DataChunksIn is the number of data chunks in [first, end). It takes constant
// time.
func (g Geometry) DataChunksIn(first, end Chunk) uint64 {
	if first >= end {
		return 0
	}
	return g.dataChunksBelow(end) - g.dataChunksBelow(first)
}

func (g Geometry) dataChunksBelow(c Chunk) uint64 {
	if c < FirstData {
		return 0
	}
	return uint64(c-FirstData) - g.AreaOf(c-1) // after the header and area 0
}

// Offset is the byte offset at which a chunk starts. ok is false if it exceeds
// 2^64-1.
func (g Geometry) Offset(c Chunk) (bytes uint64, ok bool) {
	if uint64(c) > math.MaxUint64/g.bytes() {
		return 0, false
	}
	return uint64(c) * g.bytes(), true
}

// RecordOffset is the byte offset at which a record starts. The area must lie
// on a device.
func (g Geometry) RecordOffset(area uint64, slot uint64) uint64 {
	return uint64(g.AreaChunk(area))*g.bytes() + slot*ExceptionSize
}

// SkipMetadata moves a next free chunk past the chunk of an area. The kernel
// does so after reading a store and after each allocation (skip_metadata in
// dm-snap-persistent.c).
func (g Geometry) SkipMetadata(next Chunk) Chunk {
	if uint64(next)%(g.perArea+1) == 1 {
		next++
	}
	return next
}
