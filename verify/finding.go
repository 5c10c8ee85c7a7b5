// Findings: what the judge says about a store, as data.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// Code names a kind of finding. Codes are stable, for scripts.
type Code string

// The codes, and what each means for the store.
const (
	BadMagic           Code = "bad-magic"           // no COW store at all
	HeaderLost         Code = "header-lost"         // no header, but the areas of a store
	UnsupportedVersion Code = "unsupported-version" // a format version unknown here and to the kernel
	SnapshotInvalid    Code = "snapshot-invalid"    // the kernel has invalidated the snapshot
	BadChunkSize       Code = "bad-chunk-size"      // the kernel refuses this chunk size
	TruncatedArea      Code = "truncated-area"      // the list continues past the device's end
	UnreadableArea     Code = "unreadable-area"     // an I/O error
	ChunkSizeMisfit    Code = "chunk-size-misfit"   // the kernel refuses this chunk size on this device

	ChunkBeyondDevice       Code = "chunk-beyond-device"
	ChunkIsMetadata         Code = "chunk-is-metadata"
	DuplicateCOWChunk       Code = "duplicate-cow-chunk"
	DuplicateOriginChunk    Code = "duplicate-origin-chunk"
	OriginChunkBeyondOrigin Code = "origin-chunk-beyond-origin"
	ChunkNumberOverflow     Code = "chunk-number-overflow"

	StaleRecord         Code = "stale-record"           // a record after the terminator
	StoreFull           Code = "store-full"             // no room for another chunk
	NoRoomForTerminator Code = "no-room-for-terminator" // the snapshot becomes invalid when the last area fills up
	LeakedChunks        Code = "leaked-chunks"          // allocated, but no exception names them
)

// Severity is how bad a finding is for the store.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// SeverityOf returns the severity of a code.
func SeverityOf(c Code) Severity {
	switch c {
	case StaleRecord, LeakedChunks, StoreFull:
		return Warning
	case NoRoomForTerminator:
		return Info
	default:
		return Error
	}
}

// Finding is one thing that is wrong with a store, or worth knowing, and its
// place.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Offset   uint64   `json:"offset"` // bytes from the store's start

	// Set for findings about an area or one of its records.
	Area      *uint64    `json:"area,omitempty"`
	Slot      *uint64    `json:"slot,omitempty"`
	Exception *Exception `json:"exception,omitempty"`
}

// Exception is a record as shown in reports: chunk numbers on the origin and on
// the COW device.
type Exception struct {
	Old cow.Chunk `json:"old"`
	New cow.Chunk `json:"new"`
}

// findings counts all findings and keeps the first few.
type findings struct {
	counts map[Code]uint64
	kept   []Finding
	most   int
	// omitted counts the findings that were not kept.
	omitted uint64
}

// note counts n findings of a code. If there is room it calls build and keeps
// the result.
func (f *findings) note(c Code, n uint64, build func() Finding) {
	if f.counts == nil {
		f.counts = make(map[Code]uint64)
	}
	f.counts[c] += n
	if len(f.kept) >= f.most {
		f.omitted++
		return
	}
	finding := build()
	finding.Code, finding.Severity = c, SeverityOf(c)
	f.kept = append(f.kept, finding)
}

// amend appends to the message of the last finding of a code that was kept.
func (f *findings) amend(c Code, more string) {
	for i := len(f.kept) - 1; i >= 0; i-- {
		if f.kept[i].Code == c {
			f.kept[i].Message += more
			return
		}
	}
}

// any reports whether there was a finding of a severity.
func (f *findings) any(s Severity) bool {
	for c := range f.counts {
		if SeverityOf(c) == s {
			return true
		}
	}
	return false
}

// onlyError reports whether all errors have this code.
func (f *findings) onlyError(code Code) bool {
	for c := range f.counts {
		if SeverityOf(c) == Error && c != code {
			return false
		}
	}
	return true
}
