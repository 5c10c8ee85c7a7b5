// Regions: where on the logged device an origin and its COW stores lie.

package crash

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Region is a part of the logged device. Options and Overlay take it in sectors
// of 512 bytes, regardless of the device's block size: the numbers in a linear
// target's table line. A user's numbers are in the log's sectors; see Unit.
type Region struct {
	Start, Len cow.Sectors
}

func (r Region) String() string { return fmt.Sprintf("%d+%d", r.Start, r.Len) }

// ParseRegion parses a first sector and a number of sectors with a plus sign
// between them.
func ParseRegion(s string) (Region, error) {
	start, length, ok := strings.Cut(s, "+")
	first, err1 := strconv.ParseUint(start, 10, 54) // in bytes it still fits 63 bits
	n, err2 := strconv.ParseUint(length, 10, 54)
	if !ok || err1 != nil || err2 != nil || n == 0 || first+n >= maxSector {
		return Region{}, fmt.Errorf("%q is not a region: a first sector and a number of sectors, as in 0+131072", s)
	}
	return Region{Start: cow.Sectors(first), Len: cow.Sectors(n)}, nil
}

// maxSector bounds regions, so that they fit in 63 bits in bytes.
const maxSector = 1 << 54

// Times converts a region from units of this many sectors to sectors. It fails
// if the region ends past the last possible sector.
func (r Region) Times(unit cow.Sectors) (Region, error) {
	if r.Start+r.Len >= maxSector/unit {
		return Region{}, fmt.Errorf("region %v, in units of %s, ends after the last possible sector", r, count.Of(unit, "sector"))
	}
	return Region{r.Start * unit, r.Len * unit}, nil
}

// inBlocks is a region as a user writes it: in blocks of the log, rounded down.
func (r Region) inBlocks(blockBytes uint64) Region {
	perBlock := cow.Sectors(blockBytes / cow.SectorSize)
	return Region{r.Start / perBlock, r.Len / perBlock}
}

// bytes is the length in bytes; a region that ParseRegion refuses may have the
// largest possible one.
func (r Region) bytes() int64 {
	return int64(min(r.Len, math.MaxInt64/cow.SectorSize)) * cow.SectorSize
}

// overlaps reports whether two regions share a sector.
func (r Region) overlaps(o Region) bool {
	return r.Start < o.Start+o.Len && o.Start < r.Start+r.Len
}

// span is a region in blocks of the log.
type span struct{ first, end uint64 }

// span converts the region into blocks of blockBytes.
func (r Region) span(blockBytes uint64) (span, error) {
	perBlock := cow.Sectors(blockBytes / cow.SectorSize)
	if r.Start%perBlock != 0 || r.Len%perBlock != 0 {
		return span{}, fmt.Errorf("region %v is not a multiple of the logged device's blocks of %d bytes", r, blockBytes)
	}
	return span{uint64(r.Start / perBlock), uint64((r.Start + r.Len) / perBlock)}, nil
}

func (s span) holds(block uint64) bool { return block >= s.first && block < s.end }

// clip is the part of [first, first+n) in s. It is empty if end is not above
// first.
func (s span) clip(first, n uint64) span {
	return span{max(s.first, first), min(s.end, first+n)}
}
