// Sizes: how large a COW device must be.

package cow

import (
	"errors"
	"fmt"
	"math"
)

// LeastChunks is LVM's smallest COW device, in chunks: the header, an area and
// one chunk of data.
const LeastChunks = 3

// LeastBytes is the size of LeastChunks in bytes.
func LeastBytes(chunk Sectors) int64 { return LeastChunks * int64(chunk) * SectorSize }

// CheckStoreBytes returns why a COW device of this size is too small for a
// store, or nil if it is not.
func CheckStoreBytes(bytes int64, chunk Sectors) error {
	if least := LeastBytes(chunk); bytes < least {
		return fmt.Errorf("a COW store has at least three chunks: %d bytes", least)
	}
	return nil
}

var errNoSectors = errors.New("not a whole number of 512-byte sectors above 0")

// CheckDeviceBytes returns why a device of this size cannot be used, or nil if
// it can: device mapper counts in sectors, and no table has none.
func CheckDeviceBytes(bytes int64) error {
	if bytes <= 0 || bytes%SectorSize != 0 {
		return errNoSectors
	}
	return nil
}

// leakySlack is the number of chunks for which LVM adds one chunk of slack on a
// kernel that leaks space in crashes.
const leakySlack = 64

// ChunksFor is the size in chunks of a COW device with room for n exceptions
// and no leaks: the header, the data, and the areas with a terminator after the
// last exception. It saturates instead of overflowing.
func (g Geometry) ChunksFor(n uint64) uint64 {
	areas := n/g.perArea + 1
	if n > math.MaxUint64-areas-1 {
		return math.MaxUint64
	}
	return max(LeastChunks, 1+n+areas)
}

// WithLeakySlack adds LVM's slack for a kernel that leaks chunks in crashes to
// the size of a COW device in chunks: a 64th, rounded up. It saturates instead
// of overflowing.
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

// ErrSize says that a COW device would be larger than a file can be.
var ErrSize = errors.New("a COW device of more than 2^63-1 bytes")

// Sizes are sizes of a COW device, in bytes.
type Sizes struct {
	Needed  int64 // for the given writes
	Maximum int64 // enough for a copy of every chunk of the origin; more is never used
	Minimum int64 // the smallest for a snapshot
}

// SizesFor returns the sizes for an origin of originBytes. The snapshot must
// survive writes to writtenBytes of it, besides the held exceptions that the
// store already has. leaky adds slack for space lost in crashes. It fails if a
// size exceeds the largest size of a file, with an error that wraps ErrSize. The
// rule is LVM's (lib/metadata/snapshot_manip.c: cow_max_extents).
func (g Geometry) SizesFor(originBytes, writtenBytes int64, held uint64, leaky bool) (Sizes, error) {
	origin, written := g.ChunksCovering(originBytes), g.ChunksCovering(writtenBytes)
	wanted := written + min(held, math.MaxUint64-written)
	size := func(n uint64) (int64, error) {
		chunks := g.ChunksFor(n)
		if leaky {
			chunks = WithLeakySlack(chunks)
		}
		bytes, ok := g.Offset(Chunk(chunks))
		if !ok || bytes > math.MaxInt64 {
			return 0, fmt.Errorf("%w: %d chunks of %d bytes", ErrSize, chunks, g.ChunkBytes())
		}
		return int64(bytes), nil
	}
	needed, err := size(max(held, min(wanted, origin)))
	if err != nil {
		return Sizes{}, err
	}
	maximum, err := size(max(held, origin))
	return Sizes{Needed: needed, Maximum: maximum, Minimum: LeastBytes(g.chunk)}, err
}

// MostBytes is the Maximum of SizesFor, or the largest size of a file if that is
// less: no file needs to be larger.
func (g Geometry) MostBytes(originBytes int64, leaky bool) int64 {
	sizes, err := g.SizesFor(originBytes, math.MaxInt64, 0, leaky)
	if err != nil {
		return math.MaxInt64
	}
	return sizes.Maximum
}

// SmallestSafe is the size in bytes of a device that still holds all chunks and
// areas of a store's list: the chunks before next, the next free chunk, and the
// given number of areas. Nothing is lost at this size, but the next write needs
// more.
func (g Geometry) SmallestSafe(next Chunk, areas uint64) int64 {
	end := max(next, LeastChunks)
	if areas > 0 {
		end = max(end, g.AreaChunk(areas-1)+1)
	}
	bytes, _ := g.Offset(end) // on the device, or just after it
	return int64(bytes)
}
