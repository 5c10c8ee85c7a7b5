// Bounds: a geometry on two devices of given sizes.

package cow

// FirstData is the lowest chunk of the COW device that can hold data: chunk 0
// has the header, chunk 1 is area 0. The kernel's next free chunk starts here.
const FirstData Chunk = 2

// Bounds says which chunks there are: a store's geometry and the sizes of the
// two devices.
type Bounds struct {
	Geometry     Geometry
	DeviceChunks uint64 // whole chunks on the COW device
	OriginChunks uint64 // chunks that cover the origin; 0 where it is unknown
}

// BoundsOf are the bounds of a COW device and an origin of these sizes in
// bytes; originBytes is 0 where it is unknown.
func (g Geometry) BoundsOf(deviceBytes, originBytes uint64) Bounds {
	return Bounds{Geometry: g, DeviceChunks: g.ChunksIn(deviceBytes), OriginChunks: g.ChunksCovering(originBytes)}
}

// OnDevice tells whether the COW device holds a chunk whole.
func (b Bounds) OnDevice(c Chunk) bool { return uint64(c) < b.DeviceChunks }

// OnOrigin tells whether the origin has a chunk; true where its size is
// unknown.
func (b Bounds) OnOrigin(c Chunk) bool { return b.OriginChunks == 0 || uint64(c) < b.OriginChunks }

// Fits tells whether an exception can be right: the COW device has its New as
// a data chunk, and the origin has its Old.
func (b Bounds) Fits(e Exception) bool {
	return b.OnDevice(e.New) && !b.Geometry.IsMetadata(e.New) && b.OnOrigin(e.Old)
}

// Areas is the number of areas that the COW device holds whole.
func (b Bounds) Areas() uint64 {
	if b.DeviceChunks <= uint64(b.Geometry.AreaChunk(0)) {
		return 0
	}
	return b.Geometry.AreaOf(Chunk(b.DeviceChunks-1)) + 1
}

// Allocated is the end of the device's chunks that are allocated, given the
// next free chunk: a damaged list can name chunks that the device has not.
func (b Bounds) Allocated(next Chunk) Chunk { return min(next, Chunk(b.DeviceChunks)) }
