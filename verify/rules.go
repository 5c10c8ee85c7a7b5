// The rules of judgement, each once. The streaming judge of whole stores and
// the ledger, which takes single exceptions, apply the same ones.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// misplacement is a set of ways in which a single exception can be out of
// place.
type misplacement uint8

const (
	beyondDevice misplacement = 1 << iota
	overflows
	onMetadata
	beyondOrigin
)

// misplacements in the order in which they are reported, with their codes.
var misplacements = []struct {
	is   misplacement
	code Code
}{
	{beyondDevice, ChunkBeyondDevice},
	{overflows, ChunkNumberOverflow},
	{onMetadata, ChunkIsMetadata},
	{beyondOrigin, OriginChunkBeyondOrigin},
}

// misplaced checks one exception alone. A chunk beyond the device is not also
// reported as metadata.
func misplaced(b cow.Bounds, e cow.Exception) misplacement {
	var m misplacement
	if !b.OnDevice(e.New) {
		m |= beyondDevice
		if e.New >= cow.ChunkNumberLimit {
			m |= overflows
		}
	} else if b.Geometry.IsMetadata(e.New) {
		m |= onMetadata
	}
	if !b.OnOrigin(e.Old) {
		m |= beyondOrigin
	}
	return m
}

// nextFree is the kernel's next free chunk after it has read an exception
// (insert_exceptions in dm-snap-persistent.c). It wraps as the kernel's does.
func nextFree(next cow.Chunk, e cow.Exception) cow.Chunk {
	if next <= e.New {
		return e.New + 1
	}
	return next
}

// verdictOf is the verdict on a recognised store: the worst of its findings.
func verdictOf(f *findings) Verdict {
	switch {
	case f.counts[SnapshotInvalid] > 0:
		return Invalid
	case f.any(Error):
		return Corrupt
	case f.counts[LeakedChunks] > 0:
		return Leaked
	case f.counts[StaleRecord] > 0:
		return Stale
	default:
		return Clean
	}
}
