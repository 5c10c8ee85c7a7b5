// Sizes: how large a COW device must be.

package cow

import (
	"fmt"
	"math"
)

// LeastChunks is the size under which LVM makes no COW device, in chunks:
// header, an area and one chunk of data.
const LeastChunks = 3

// leakySlack is how many chunks of a COW device LVM counts to one chunk of
// slack where the kernel leaks space in crashes.
const leakySlack = 64

// ChunksFor is the number of chunks of a COW device that has room for n
// exceptions, none of them lost: the header, the data, and the areas with a
// terminator behind the last exception. It saturates instead of overflowing.
func (g Geometry) ChunksFor(n uint64) uint64 {
	areas := n/g.perArea + 1
	if n > math.MaxUint64-areas-1 {
		return math.MaxUint64
	}
	return max(LeastChunks, 1+n+areas)
}

// WithLeakySlack adds what LVM adds to the size of a COW device, in chunks,
// where the kernel leaks chunks in crashes: a 64th, rounded up. It saturates.
func WithLeakySlack(chunks uint64) uint64 {
	slack := chunks / leakySlack
	if chunks%leakySlack != 0 {
		slack++
	}
	if chunks > math.MaxUint64-slack {
		return math.MaxUint64
	}
	return chunks + slack
}

// Sizes are sizes of a COW device, in bytes.
type Sizes struct {
	Needed  uint64 // for the writes that were asked about
	Maximum uint64 // above which nothing is ever used: every chunk of the origin was copied
	Minimum uint64 // under which there is no snapshot
}

// SizesFor are the sizes for an origin of originBytes of which writtenBytes
// change, beside the held exceptions that a store has already. On leaky
// kernels there is slack for what crashes lose. The rule is LVM's
// (lib/metadata/snapshot_manip.c: cow_max_extents).
func (g Geometry) SizesFor(originBytes, writtenBytes, held uint64, leaky bool) (Sizes, error) {
	origin, written := g.ChunksCovering(originBytes), g.ChunksCovering(writtenBytes)
	wanted := written + min(held, math.MaxUint64-written)
	size := func(n uint64) (uint64, error) {
		chunks := g.ChunksFor(n)
		if leaky {
			chunks = WithLeakySlack(chunks)
		}
		bytes, ok := g.Offset(Chunk(chunks))
		if !ok {
			return 0, fmt.Errorf("%d chunks of %d bytes are more than 2^64 bytes", chunks, g.ChunkBytes())
		}
		return bytes, nil
	}
	needed, err := size(max(held, min(wanted, origin)))
	if err != nil {
		return Sizes{}, err
	}
	maximum, err := size(max(held, origin))
	return Sizes{Needed: needed, Maximum: maximum, Minimum: LeastChunks * g.ChunkBytes()}, err
}
