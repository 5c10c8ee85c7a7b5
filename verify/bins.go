// Bins: a store's device in a bounded number of pieces, for pictures.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// Bin is a run of chunks [First, End), counted by what they hold.
type Bin struct {
	First    cow.Chunk `json:"first"`
	End      cow.Chunk `json:"end"`
	Data     uint64    `json:"data"`     // named by an exception
	Metadata uint64    `json:"metadata"` // the header's chunk, areas, and the places of areas below the next free chunk
	Leaked   uint64    `json:"leaked"`
	Free     uint64    `json:"free"`    // not allocated yet
	Damaged  uint64    `json:"damaged"` // in unreadable areas, or named by an error
}

// Chunks is the number of chunks in the bin.
func (b Bin) Chunks() uint64 { return uint64(b.End - b.First) }

// binner sorts a device's chunks into bins.
type binner struct {
	geometry cow.Geometry
	device   cow.Chunk // chunks on the device
	size     cow.Chunk // chunks per bin
	bins     []Bin
}

// newBinner makes at most n bins. For n of 0 it returns nil, which is usable
// and does nothing.
func newBinner(b cow.Bounds, n int) *binner {
	if n <= 0 || b.DeviceChunks == 0 {
		return nil
	}
	size := cow.Chunk((b.DeviceChunks-1)/uint64(n) + 1)
	f := &binner{geometry: b.Geometry, device: cow.Chunk(b.DeviceChunks), size: size}
	f.bins = make([]Bin, (f.device-1)/size+1)
	for i := range f.bins {
		f.bins[i].First = cow.Chunk(i) * size
		f.bins[i].End = min(f.device, f.bins[i].First+size)
	}
	return f
}

// leaked takes a run [first, end) of chunks that no exception names.
func (f *binner) leaked(first, end cow.Chunk) {
	if f == nil {
		return
	}
	for at := first; at < end; {
		b := &f.bins[at/f.size]
		stop := min(end, b.End)
		b.Leaked += f.geometry.DataChunksIn(at, stop)
		at = stop
	}
}

// damaged takes a chunk with an error.
func (f *binner) damaged(c cow.Chunk) {
	if f != nil && c < f.device {
		f.bins[c/f.size].Damaged++
	}
}

// finish fills in the rest, given the next free chunk and the number of areas
// in use.
func (f *binner) finish(next cow.Chunk, areas uint64) []Bin {
	if f == nil {
		return nil
	}
	used := min(f.device, max(next, f.geometry.AreaChunk(max(areas, 1)-1)+1))
	for i := range f.bins {
		b := &f.bins[i]
		end := min(max(used, b.First), b.End)
		b.Free = uint64(b.End - end)
		data := f.geometry.DataChunksIn(b.First, end)
		b.Metadata = uint64(end-b.First) - data
		b.Damaged = min(b.Damaged, b.Metadata+data-b.Leaked)
		// Damaged chunks do not count as data, or else not as metadata.
		b.Data = data - b.Leaked
		of := min(b.Data, b.Damaged)
		b.Data -= of
		b.Metadata -= b.Damaged - of
	}
	return f.bins
}
