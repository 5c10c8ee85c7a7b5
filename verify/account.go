// The account: adds up the exceptions of a store, one after the other in disk
// order.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/chunkset"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// account is the streaming judge of one store: the first pass.
type account struct {
	bounds cow.Bounds
	found  *findings
	seen   *chunkset.Seen

	exceptions uint64
	next       cow.Chunk
	descents   uint64
	last       cow.Chunk // New of the exception before
	deviation  *uint64   // index of the first record that is not canonical
	crashes    crashFinder
	bins       *binner
	hidden     bool // part of the current area could not be read
	unread     places
}

func newAccount(b cow.Bounds, found *findings, memory uint64) *account {
	return &account{bounds: b, found: found, seen: chunkset.New(b, memory), next: cow.FirstData}
}

// take judges the next piece of the store.
func (a *account) take(p store.Piece) {
	if p.Slot == 0 {
		a.hidden = false
	}
	if p.Err != nil {
		a.unread.add(a.index(p.Area, p.Slot))
		a.noteUnreadable(p.Err)
		return
	}
	if !a.canonicalRun(p) {
		for i, e := range cow.Exceptions(p.Records) {
			a.exception(e, p.Area, p.Slot+uint64(i))
		}
	}
	if p.Filled {
		a.crashes.areaFull(a.bounds.Geometry, p.Area, a.exceptions, a.next)
	}
	for i, e := range cow.Exceptions(p.Behind) {
		if !e.Terminates() { // dead until the list grows up to it
			a.note(StaleRecord, e, p.Area, p.BehindSlot+uint64(i))
		}
	}
}

// noteUnreadable reports an area that cannot be read in full, once.
func (a *account) noteUnreadable(e *store.ReadError) {
	if a.hidden {
		return
	}
	a.hidden = true
	a.bins.damaged(a.bounds.Geometry.AreaChunk(e.Area))
	a.found.note(UnreadableArea, 1, func() Finding {
		return Finding{
			Message: fmt.Sprintf("area %d cannot be read from record %d on: %v", e.Area, e.Slot, e.Err),
			Offset:  e.Offset,
			Area:    &e.Area,
			Slot:    &e.Slot,
		}
	})
}

// canonicalRun takes all the records at once if they lie in the canonical
// layout, as in almost every area of almost every store. Otherwise it does
// nothing and returns false.
func (a *account) canonicalRun(p store.Piece) bool {
	n := uint64(len(p.Records)) / cow.ExceptionSize
	first := a.bounds.Geometry.DataChunk(a.index(p.Area, p.Slot)) // an area's data chunks are neighbours
	if !p.InOrder || n == 0 || !a.bounds.OnDevice(first+cow.Chunk(n-1)) {
		return false
	}
	if !a.seen.AddRun(first, p.Records, func(i int, e cow.Exception) {
		a.note(DuplicateOriginChunk, e, p.Area, p.Slot+uint64(i))
	}) {
		return false
	}
	if a.exceptions > 0 && first < a.last {
		a.descents++
	}
	a.crashes.lower(first)
	a.exceptions += n
	a.last = first + cow.Chunk(n-1)
	a.next = nextFree(a.next, cow.Exception{New: a.last})
	if a.bounds.OriginChunks != 0 {
		for i, e := range cow.Exceptions(p.Records) {
			if !a.bounds.OnOrigin(e.Old) {
				a.note(OriginChunkBeyondOrigin, e, p.Area, p.Slot+uint64(i))
			}
		}
	}
	return true
}

// exception takes one record that is not the terminator.
func (a *account) exception(e cow.Exception, area, slot uint64) {
	if a.deviation == nil {
		if index := a.index(area, slot); e.New != a.bounds.Geometry.DataChunk(index) {
			a.deviation = new(index)
		}
	}
	if a.exceptions > 0 && e.New < a.last {
		a.descents++
	}
	a.crashes.lower(e.New)
	a.exceptions++
	a.last = e.New
	a.next = nextFree(a.next, e)

	wrong := misplaced(a.bounds, e)
	for _, m := range misplacements {
		if wrong&m.is != 0 {
			a.note(m.code, e, area, slot)
		}
	}
	onCOW, onOrigin := a.seen.Add(e)
	a.noteDuplicates(e, area, slot, onCOW, onOrigin)
}

// noteDuplicates reports which chunks of an exception were named before.
func (a *account) noteDuplicates(e cow.Exception, area, slot uint64, onCOW, onOrigin bool) {
	if onCOW {
		a.note(DuplicateCOWChunk, e, area, slot)
	}
	if onOrigin {
		a.note(DuplicateOriginChunk, e, area, slot)
	}
}

// index is a record's place in the list. The canonical layout follows from it.
func (a *account) index(area, slot uint64) uint64 {
	return area*a.bounds.Geometry.ExceptionsPerArea() + slot
}

// nextFreeChunk is the kernel's next free chunk after it has read the whole
// list.
func (a *account) nextFreeChunk() cow.Chunk { return a.bounds.Geometry.SkipMetadata(a.next) }

// usage is how full a device of size bytes is, with a list of this many areas.
func (a *account) usage(areas uint64, size int64) *Usage {
	next := a.nextFreeChunk()
	chunk := a.bounds.Geometry.ChunkSectors()
	return &Usage{
		Exceptions:       a.exceptions,
		Areas:            areas,
		NextFreeChunk:    next,
		AllocatedSectors: cow.Sectors(next) * chunk,
		MetadataSectors:  cow.Sectors(areas+1) * chunk,
		TotalSectors:     cow.Sectors(size / cow.SectorSize),
	}
}

// note reports something about one record.
func (a *account) note(c Code, e cow.Exception, area, slot uint64) {
	if SeverityOf(c) == Error {
		a.bins.damaged(e.New)
	}
	a.found.note(c, 1, func() Finding { return aboutRecord(a.bounds, c, e, area, slot) })
}

// finish judges how the list ends.
func (a *account) finish(end store.End) {
	area := end.Areas - 1 // the last
	switch {
	case end.How == store.DeviceEnd:
		a.found.note(TruncatedArea, 1, func() Finding { return aboutMissingArea(a.bounds, end.Areas) })
	case end.How == store.Implausible:
		a.found.amend(UnreadableArea, fmt.Sprintf("; reading stopped before area %d, where no record can belong to the list", end.Areas))
	case end.How == store.Terminator && uint64(a.bounds.Geometry.AreaChunk(area+1)) == a.bounds.DeviceChunks:
		a.found.note(NoRoomForTerminator, 1, func() Finding {
			f := aboutMissingArea(a.bounds, area+1)
			f.Message = fmt.Sprintf("the device ends right after the data of area %d: the kernel invalidates the snapshot when the area fills up, for want of a chunk for the next one", area)
			return f
		})
	}
}
