// The account: what the exceptions of a store add up to, taken one after the
// other in the order of the disk.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// account is the streaming judge of one store: the first pass.
type account struct {
	Bounds
	found *findings
	seen  *chunksSeen

	exceptions uint64
	areas      uint64 // read, the one with the terminator included
	next       cow.Chunk
	descents   uint64
	last       cow.Chunk // New of the exception before
	deviation  *uint64   // index of the first record that is not canonical
	crashes    crashFinder
	bins       *binner

	// where the list stands
	area       uint64
	ended      bool // the terminator was seen
	unreadable bool // a part of the present area could not be read
	unread     places
}

func newAccount(b Bounds, found *findings, memory uint64) *account {
	return &account{Bounds: b, found: found, seen: newChunksSeen(b, memory), next: 2}
}

// take judges the next piece of the store and tells whether the list goes on
// behind it.
func (a *account) take(p piece) (more bool) {
	if p.slot == 0 && !a.enter(p) {
		return false
	}
	if p.err != nil {
		a.unread.add(a.index(p.area, p.slot))
		a.noteUnreadable(p)
		return true
	}
	rest := p
	if !a.ended {
		rest = a.records(p)
		if !a.ended && p.slot+uint64(len(p.records))/cow.ExceptionSize == a.Geometry.ExceptionsPerArea() {
			a.noteAreaFull()
		}
	}
	if a.ended {
		a.noteStale(rest)
	}
	return true
}

// enter begins an area; it is false where the list has ended before it.
//
// Behind an area that hides its end, the next one is believed to belong to
// the list only if one of its records could.
func (a *account) enter(p piece) bool {
	if a.ended {
		return false
	}
	if a.unreadable && p.err == nil && !a.plausible(p) {
		a.found.amend(UnreadableArea, fmt.Sprintf("; reading stopped before area %d, where no record can be one of the list", p.area))
		return false
	}
	a.area, a.unreadable = p.area, false
	a.areas = p.area + 1
	return true
}

// plausible tells whether the list may go on in p: whether there is an
// exception that is not out of place before the terminator.
func (a *account) plausible(p piece) bool {
	for _, e := range cow.Exceptions(p.records) {
		if e.Terminates() {
			return false
		}
		if a.misplaced(e) == 0 {
			return true
		}
	}
	return false
}

func (a *account) noteUnreadable(p piece) {
	if a.unreadable {
		return
	}
	a.unreadable = true
	a.bins.damaged(a.Geometry.AreaChunk(p.area))
	a.found.note(UnreadableArea, 1, func() Finding {
		return Finding{
			Message: fmt.Sprintf("area %d cannot be read from record %d on: %v", p.area, p.slot, p.err),
			Offset:  a.Geometry.RecordOffset(p.area, p.slot),
			Area:    &p.area,
			Slot:    &p.slot,
		}
	})
}

// records takes the exceptions of p up to the terminator, and returns what
// lies behind that.
func (a *account) records(p piece) (rest piece) {
	if a.canonicalRun(p) {
		return piece{}
	}
	for slot, e := range cow.Exceptions(p.records) {
		if e.Terminates() {
			a.ended = true
			p.records = p.records[(slot+1)*cow.ExceptionSize:]
			p.slot += uint64(slot) + 1
			return p
		}
		a.exception(e, p.area, p.slot+uint64(slot))
	}
	return piece{}
}

// canonicalRun takes the records at once where all of them lie in the
// canonical layout: almost every area of almost every store. It is false, and
// has done nothing, where one of them needs a look.
func (a *account) canonicalRun(p piece) bool {
	n := uint64(len(p.records)) / cow.ExceptionSize
	first := a.Geometry.DataChunk(a.index(p.area, p.slot)) // an area's data chunks are neighbours
	if !p.inOrder || n == 0 || !a.OnDevice(first+cow.Chunk(n-1)) || !a.seen.cow.addRun(first, n) {
		return false
	}
	if a.exceptions > 0 && first < a.last {
		a.descents++
	}
	a.crashes.lower(first)
	a.exceptions += n
	a.last = first + cow.Chunk(n-1)
	a.next = nextFree(a.next, cow.Exception{New: a.last})
	a.originRun(p)
	return true
}

// originRun looks at the origin's side of records whose COW side is in order.
func (a *account) originRun(p piece) {
	if limit := cow.Chunk(a.OriginChunks); limit != 0 {
		for slot, e := range cow.Exceptions(p.records) {
			if e.Old >= limit {
				a.note(OriginChunkBeyondOrigin, e, p.area, p.slot+uint64(slot))
			}
		}
	}
	a.seen.origin.addOld(p.records, func(slot int, e cow.Exception) {
		a.note(DuplicateOriginChunk, e, p.area, p.slot+uint64(slot))
	})
}

// exception takes one record that is not the terminator.
func (a *account) exception(e cow.Exception, area, slot uint64) {
	index := a.index(area, slot)
	if e.New != a.Geometry.DataChunk(index) && a.deviation == nil {
		a.deviation = &index
	}
	if a.exceptions > 0 && e.New < a.last {
		a.descents++
	}
	a.crashes.lower(e.New)
	a.exceptions++
	a.last = e.New
	a.next = nextFree(a.next, e)

	wrong := a.misplaced(e)
	for _, m := range misplacements {
		if wrong&m.is != 0 {
			a.note(m.code, e, area, slot)
		}
	}
	a.noteDuplicates(e, area, slot)
}

func (a *account) noteDuplicates(e cow.Exception, area, slot uint64) {
	if a.seen.addCOW(e.New) {
		a.note(DuplicateCOWChunk, e, area, slot)
	}
	if a.seen.origin.add(e.Old) {
		a.note(DuplicateOriginChunk, e, area, slot)
	}
}

// index is a record's place in the list, which the canonical layout goes by.
func (a *account) index(area, slot uint64) uint64 {
	return area*a.Geometry.ExceptionsPerArea() + slot
}

// nextFreeChunk is the kernel's next free chunk once all is read.
func (a *account) nextFreeChunk() cow.Chunk { return a.Geometry.SkipMetadata(a.next) }

// noteStale counts the records behind the terminator. They are dead until the
// list grows up to them.
func (a *account) noteStale(p piece) {
	for slot, e := range cow.Exceptions(p.records) {
		if !e.Terminates() {
			a.note(StaleRecord, e, p.area, p.slot+uint64(slot))
		}
	}
}

// note reports something about one record.
func (a *account) note(c Code, e cow.Exception, area, slot uint64) {
	if SeverityOf(c) == Error {
		a.bins.damaged(e.New)
	}
	a.found.note(c, 1, func() Finding { return a.aboutRecord(c, e, area, slot) })
}

func (a *account) aboutRecord(c Code, e cow.Exception, area, slot uint64) Finding {
	return Finding{
		Message:   fmt.Sprintf("area %d, record %d: %s", area, slot, a.explain(c, e)),
		Offset:    a.Geometry.RecordOffset(area, slot),
		Area:      &area,
		Slot:      &slot,
		Exception: &Exception{Old: e.Old, New: e.New},
	}
}

// explain says in words what is wrong with an exception.
func (a *account) explain(c Code, e cow.Exception) string {
	switch c {
	case ChunkBeyondDevice:
		return fmt.Sprintf("COW chunk %d lies beyond the device, which has %d whole chunks", e.New, a.DeviceChunks)
	case ChunkNumberOverflow:
		return fmt.Sprintf("COW chunk %d is 2^56 or more: the kernel takes its upper 8 bits for something else", e.New)
	case ChunkIsMetadata:
		return fmt.Sprintf("COW chunk %d is the place of area %d, not of data (a trace of CVE-2013-4299)", e.New, a.Geometry.AreaOf(e.New))
	case OriginChunkBeyondOrigin:
		return fmt.Sprintf("origin chunk %d lies beyond the origin, which has %d chunks", e.Old, a.OriginChunks)
	case DuplicateCOWChunk:
		return fmt.Sprintf("COW chunk %d (now of origin chunk %d) was named by an exception before", e.New, e.Old)
	case DuplicateOriginChunk:
		return fmt.Sprintf("origin chunk %d (now at COW chunk %d) was named by an exception before", e.Old, e.New)
	default:
		return fmt.Sprintf("a record behind the terminator: origin chunk %d at COW chunk %d", e.Old, e.New)
	}
}

// finish judges how the list ends, on a device that holds so many areas whole.
func (a *account) finish(areasOnDevice uint64) {
	switch {
	case !a.ended && !a.unreadable && a.areas == areasOnDevice:
		a.found.note(TruncatedArea, 1, func() Finding { return a.aboutMissingArea(areasOnDevice) })
	case a.ended && uint64(a.Geometry.AreaChunk(a.area+1)) == a.DeviceChunks:
		a.found.note(NoRoomForTerminator, 1, func() Finding {
			f := a.aboutMissingArea(a.area + 1)
			f.Message = fmt.Sprintf("the device ends right behind the data of area %d: the kernel invalidates the snapshot when the area fills up; grow the device by a chunk or more", a.area)
			return f
		})
	}
}

// aboutMissingArea is a finding about an area that the device does not hold.
func (a *account) aboutMissingArea(area uint64) Finding {
	offset, _ := a.Geometry.Offset(a.Geometry.AreaChunk(area)) // at most a chunk behind the device's end
	return Finding{
		Message: fmt.Sprintf("the list of exceptions goes on in area %d (chunk %d), which the device does not hold whole", area, a.Geometry.AreaChunk(area)),
		Offset:  offset,
		Area:    &area,
	}
}
