// The report: everything the judge found out about a store. Text, JSON and
// pictures show it; only the judge computes figures.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Verdict is the judgement in one word.
type Verdict string

// The verdicts.
const (
	Clean        Verdict = "clean"
	Empty        Verdict = "empty"        // a device that the kernel will initialise
	Stale        Verdict = "stale"        // intact, with records after the terminator
	Leaked       Verdict = "leaked"       // intact, with space lost permanently
	Invalid      Verdict = "invalid"      // the kernel gave the snapshot up
	Corrupt      Verdict = "corrupt"      // damaged
	Unrecognized Verdict = "unrecognized" // no store, or none of a known format
	Unsettled    Verdict = "unsettled"    // the kernel is at work on it: unknown yet
)

// Report is what Verify found. Sizes are in bytes unless their name says
// sectors or chunks. Parts that could not be judged are null.
type Report struct {
	Verdict  Verdict   `json:"verdict"`
	Header   *Header   `json:"header"`
	Geometry *Geometry `json:"geometry"`
	Usage    *Usage    `json:"usage"`
	Leaks    Leaks     `json:"leaks"`
	Order    *Order    `json:"order"`
	// Forensics is null if not all exceptions were read.
	Forensics *Forensics      `json:"forensics"`
	Counts    map[Code]uint64 `json:"counts"`
	Findings  []Finding       `json:"findings"`
	// Omitted counts the findings not listed in Findings.
	Omitted uint64 `json:"findings_omitted,omitempty"`

	// Bins are the device's chunks in pieces, if Options asks for them.
	Bins []Bin `json:"bins,omitempty"`
	// LargestLeaks are the largest leaked ranges, in ascending order. It is set
	// together with Bins, because Leaks lists only the first MaxRanges ranges.
	LargestLeaks []Range `json:"-"`
	// Live is set for a store that the kernel has active.
	Live *Live `json:"live,omitempty"`
	// HeaderOnly says that only the header was read.
	HeaderOnly bool `json:"header_only,omitempty"`
	// Partial says that the judge was interrupted: the report covers only the
	// areas read so far.
	Partial bool `json:"partial,omitempty"`
}

// Header is the store's header as shown in reports.
type Header struct {
	Magic        string      `json:"magic"`
	Valid        bool        `json:"valid"`
	Version      uint32      `json:"version"`
	ChunkSectors cow.Sectors `json:"chunk_sectors"`
}

// Geometry is the store's shape.
type Geometry struct {
	ChunkBytes        int64  `json:"chunk_bytes"`
	ExceptionsPerArea uint64 `json:"exceptions_per_area"`
	DeviceChunks      uint64 `json:"device_chunks"` // whole ones
}

// Usage is how full the store is. The three numbers in sectors are those in the
// kernel's status line for the same store: allocated/total metadata.
type Usage struct {
	Exceptions       uint64      `json:"exceptions"`
	Areas            uint64      `json:"areas"`
	NextFreeChunk    cow.Chunk   `json:"next_free_chunk"`
	AllocatedSectors cow.Sectors `json:"allocated_sectors"`
	MetadataSectors  cow.Sectors `json:"metadata_sectors"`
	TotalSectors     cow.Sectors `json:"total_sectors"`
}

// Leaks is the lost space: data chunks below the next free one that no
// exception names.
type Leaks struct {
	Chunks uint64  `json:"chunks"`
	Bytes  int64   `json:"bytes"`
	Ranges []Range `json:"ranges"`
	// RangesOmitted counts the ranges beyond MaxRanges.
	RangesOmitted uint64 `json:"ranges_omitted,omitempty"`
}

// Range is a run of chunks, both ends included. It never spans a metadata
// chunk.
type Range struct {
	First cow.Chunk `json:"first"`
	Last  cow.Chunk `json:"last"`
}

// Chunks is the number of chunks in the range.
func (r Range) Chunks() uint64 { return uint64(r.Last-r.First) + 1 }

func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("chunk %d", r.First)
	}
	return fmt.Sprintf("chunks %d-%d", r.First, r.Last)
}

// Order compares the exceptions with the canonical layout.
type Order struct {
	Canonical      bool    `json:"canonical"`
	Descents       uint64  `json:"descents"`
	FirstDeviation *uint64 `json:"first_deviation"` // index of a record
}

// Unreadable reports whether an I/O error kept the judge from reading the whole
// list.
func (r *Report) Unreadable() bool { return r.Counts[UnreadableArea] > 0 }
