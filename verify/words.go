// Words: findings about records and areas in sentences.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// aboutRecord is a finding about a record.
func aboutRecord(b cow.Bounds, c Code, e cow.Exception, area, slot uint64) Finding {
	return Finding{
		Message:   fmt.Sprintf("area %d, record %d: %s", area, slot, explain(b, c, e)),
		Offset:    b.Geometry.RecordOffset(area, slot),
		Area:      &area,
		Slot:      &slot,
		Exception: &Exception{Old: e.Old, New: e.New},
	}
}

// explain says in words what is wrong with an exception.
func explain(b cow.Bounds, c Code, e cow.Exception) string {
	switch c {
	case ChunkBeyondDevice:
		return fmt.Sprintf("COW chunk %d lies beyond the device, which has %s", e.New, count.Of(b.DeviceChunks, "whole chunk"))
	case ChunkNumberOverflow:
		return fmt.Sprintf("COW chunk %d is 2^56 or more: the kernel uses its upper 8 bits for something else", e.New)
	case ChunkIsMetadata:
		return fmt.Sprintf("COW chunk %d is the place of area %d, not of data (a trace of CVE-2013-4299)", e.New, b.Geometry.AreaOf(e.New))
	case OriginChunkBeyondOrigin:
		return fmt.Sprintf("origin chunk %d lies beyond the origin, which has %s", e.Old, count.Of(b.OriginChunks, "chunk"))
	case DuplicateCOWChunk:
		return fmt.Sprintf("COW chunk %d (now of origin chunk %d) was named by an exception before", e.New, e.Old)
	case DuplicateOriginChunk:
		return fmt.Sprintf("origin chunk %d (now at COW chunk %d) was named by an exception before", e.Old, e.New)
	default:
		return fmt.Sprintf("a record after the terminator: origin chunk %d at COW chunk %d", e.Old, e.New)
	}
}

// aboutMissingArea is a finding about an area that does not fit on the device.
func aboutMissingArea(b cow.Bounds, area uint64) Finding {
	offset, _ := b.Geometry.Offset(b.Geometry.AreaChunk(area)) // at most a chunk past the device's end
	return Finding{
		Message: fmt.Sprintf("the list of exceptions continues in area %d (chunk %d), which does not fit on the device", area, b.Geometry.AreaChunk(area)),
		Offset:  offset,
		Area:    &area,
	}
}
