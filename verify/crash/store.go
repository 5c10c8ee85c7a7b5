// One store under exploration: its header, list and image, updated block by
// block and record by record.

package crash

import (
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// store is a COW store and the snapshot it makes of the origin.
type store struct {
	*disk
	*storeLayout
	*facts
	opt   *Options
	index int16

	header cell
	state  headerState

	ledger *verify.Ledger
	areas  []*area
	areaOf map[uint64]int32
	onDisk uint64 // areas that fit in the region

	image
	seen uint64 // a hash of everything the judge can see
}

// headerState is what a store's header says.
type headerState uint8

const (
	absent    headerState = iota // no snapshot yet
	valid                        //
	abandoned                    // the kernel has invalidated the snapshot
	alien                        // another chunk size or version
)

// area is an area as it is on disk now.
type area struct {
	number uint64
	blocks []blockID
	used   int // records that are not terminators
}

// newStore returns a store before the first entry.
func newStore(d *disk, opt *Options, index int, f *facts) *store {
	s := &store{
		disk: d, storeLayout: &d.layout.stores[index], facts: f, opt: opt, index: int16(index),
		areaOf: map[uint64]int32{},
	}
	s.onDisk = s.bounds.Areas()
	s.ledger = verify.NewLedger(s.bounds)
	s.image = newImage()
	if cells := d.bring(s.first, 1, role{place: inHeader, store: s.index}); cells != nil {
		s.header = cells[0]
		s.state = s.readHeader(d.content[s.header])
	}
	s.areaAt(0)
	s.grow()
	return s
}

// readHeader says what a header in chunk 0 means.
func (s *store) readHeader(id blockID) headerState {
	return s.headerSays(s.headers[id])
}

func (s *storeLayout) headerSays(h cow.Header) headerState {
	switch {
	case h.Magic != cow.Magic:
		return absent
	case h.Version != cow.Version || h.ChunkSectors() != s.bounds.Geometry.ChunkSectors():
		return alien
	case h.Valid == 0:
		return abandoned
	default:
		return valid
	}
}

func (s *store) headerChanged(id blockID) {
	s.seen ^= mix(1, uint64(s.state))
	s.state = s.readHeader(id)
	s.seen ^= mix(1, uint64(s.state))
}

// areaChanged takes in the records of a block of an area.
func (s *store) areaChanged(r role, was, is blockID) {
	old, now := s.records[was], s.records[is]
	a := s.areas[r.chunk]
	a.blocks[r.block] = is
	a.used += now.used - old.used
	s.seen ^= s.seenOf(a, r.block, old) ^ s.seenOf(a, r.block, now)
	first := s.firstRecord(a, r.block)
	end := first + uint64(len(now.list))
	for k := first; k < min(end, uint64(s.ledger.Len())); k++ {
		switch e := now.list[k-first]; {
		case e == old.list[k-first]:
		case e.Terminates():
			s.cut(k)
			return
		default:
			s.unmap(old.list[k-first], k)
			s.ledger.Replace(int(k), e)
			s.mapTo(e, k)
		}
	}
	if length := uint64(s.ledger.Len()); length >= first && length < end {
		s.grow()
	}
}

// firstRecord is the list index of the first record in a block of an area.
func (s *store) firstRecord(a *area, block int32) uint64 {
	return a.number*s.geometry().ExceptionsPerArea() + uint64(block)*s.perBlock()
}

// perBlock is the number of records in a block.
func (s *store) perBlock() uint64 { return s.layout.blockBytes / cow.ExceptionSize }

// seenOf hashes what the judge sees of a block of an area.
func (s *store) seenOf(a *area, block int32, r *records) uint64 {
	if r.used == 0 {
		return 0
	}
	return mix(s.firstRecord(a, block)+2, r.hash)
}

// record is record k of an area.
func (s *store) record(a *area, k uint64) cow.Exception {
	return s.records[a.blocks[k/s.perBlock()]].list[k%s.perBlock()]
}

// cut ends the list before record k.
func (s *store) cut(k uint64) {
	for last := uint64(s.ledger.Len()); last > k; last-- {
		s.unmap(s.ledger.At(int(last-1)), last-1)
		s.ledger.Pop()
	}
}

// grow takes in the records after the list, up to the next terminator.
func (s *store) grow() {
	perArea := s.geometry().ExceptionsPerArea()
	for {
		k := uint64(s.ledger.Len())
		a := s.areaAt(k / perArea)
		if a == nil {
			return
		}
		e := s.record(a, k%perArea)
		if e.Terminates() {
			return
		}
		s.ledger.Push(e)
		s.mapTo(e, k)
	}
}

// areaAt is an area, which it reads if needed. It is nil if the area does not
// fit on the device.
func (s *store) areaAt(number uint64) *area {
	if i, ok := s.areaOf[number]; ok {
		return s.areas[i]
	}
	if number >= s.onDisk {
		return nil
	}
	i := int32(len(s.areas))
	cells := s.bring(s.blockOf(s.geometry().AreaChunk(number)), s.perChunk, role{place: inArea, store: s.index, chunk: i})
	if cells == nil {
		return nil
	}
	a := &area{number: number, blocks: make([]blockID, len(cells))}
	for block, c := range cells {
		a.blocks[block] = s.content[c]
		r := s.records[a.blocks[block]]
		a.used += r.used
		s.seen ^= s.seenOf(a, int32(block), r)
	}
	s.areas = append(s.areas, a)
	s.areaOf[number] = i
	return a
}

// verdict is the judgement on a store in one state.
type verdict struct {
	state     headerState
	corrupt   bool // does not parse or names a chunk twice
	leaked    uint64
	stale     uint64 // records after the terminator
	broken    int    // origin chunks that the snapshot shows wrongly
	truncated bool
	beyond    bool // names chunks that its device does not have yet
}

// verdict judges the store as it is now. It takes constant time.
func (s *store) verdict() verdict {
	v := verdict{state: s.state}
	switch s.state {
	case absent:
		v.corrupt = s.wasThere
		return v
	case alien:
		v.corrupt = true
		return v
	case abandoned:
		return v
	}
	perArea := s.geometry().ExceptionsPerArea()
	length := uint64(s.ledger.Len())
	last := length / perArea
	if i, ok := s.areaOf[last]; ok {
		v.stale = uint64(s.areas[i].used) - (length - last*perArea)
	}
	v.truncated = last >= s.onDisk
	v.beyond = len(s.sizes) > 0 && s.reaches() > s.chunksAt(s.end-1)
	v.corrupt = v.truncated || v.beyond || s.ledger.Errors() > 0
	v.leaked = s.ledger.Leaked()
	v.broken = s.brokenChunks
	return v
}

// reaches is the number of chunks that a device needs for what the list names.
func (s *store) reaches() uint64 {
	if s.ledger.Len() == 0 {
		return 0
	}
	next := s.ledger.NextFree() // an area's chunk is skipped, on the device or not
	if s.geometry().IsMetadata(next - 1) {
		next--
	}
	return uint64(next)
}

// allocated is the allocated sectors in the kernel's status line.
func (s *store) allocated() cow.Sectors {
	return cow.Sectors(s.ledger.NextFree()) * s.geometry().ChunkSectors()
}
