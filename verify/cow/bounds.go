// Bounds: a geometry applied to two devices of given sizes.

package cow

// FirstData is the lowest chunk of the COW device that can hold data: chunk 0
// has the header, chunk 1 is area 0. The kernel's next free chunk starts here.
const FirstData Chunk = 2

// Bounds says which chunks exist, from a store's geometry and the sizes of the
// two devices.
type Bounds struct {
	Geometry     Geometry
	DeviceChunks uint64 // whole chunks on the COW device
	OriginChunks uint64 // chunks that cover the origin; 0 if unknown
}

// BoundsOf returns the bounds for a COW device and an origin of these sizes in
// bytes. An originBytes of 0, or less, means unknown.
func (g Geometry) BoundsOf(deviceBytes, originBytes int64) Bounds {
	return Bounds{Geometry: g, DeviceChunks: g.ChunksIn(deviceBytes), OriginChunks: g.ChunksCovering(originBytes)}
}

// OnDevice reports whether the COW device holds all of chunk c.
func (b Bounds) OnDevice(c Chunk) bool { return uint64(c) < b.DeviceChunks }

// OnOrigin reports whether the origin has chunk c. It is true if the origin's
// size is unknown.
func (b Bounds) OnOrigin(c Chunk) bool { return b.OriginChunks == 0 || uint64(c) < b.OriginChunks }

// Fits reports whether an exception can be right: its New is a data chunk on
// the COW device and its Old is on the origin.
func (b Bounds) Fits(e Exception) bool {
	return b.OnDevice(e.New) && !b.Geometry.IsMetadata(e.New) && b.OnOrigin(e.Old)
}

// Areas is the number of areas that fit on the COW device in full.
func (b Bounds) Areas() uint64 {
	if b.DeviceChunks <= uint64(b.Geometry.AreaChunk(0)) {
		return 0
	}
	return b.Geometry.AreaOf(Chunk(b.DeviceChunks-1)) + 1
}

// Allocated is the end of the allocated chunks on the device, given the next
// free chunk. A damaged list can name chunks past the device's end.
func (b Bounds) Allocated(next Chunk) Chunk { return min(next, Chunk(b.DeviceChunks)) }
