// One store under exploration: its header, list and image, kept up to date
// block by block and record by record.

package crash

import (
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// store is a COW store and the snapshot it makes of the origin.
type store struct {
	x      *explorer
	index  int16
	origin span // blocks of the disk
	cow    span
	// geometry and the blocks of a chunk; fixed before exploring starts.
	geometry cow.Geometry
	perChunk uint64
	bounds   cow.Bounds

	header cell
	state  headerState

	ledger *verify.Ledger
	areas  []*area
	areaOf map[uint64]int32
	onDisk uint64 // areas that the region holds whole

	image
	seen uint64 // a hash of all that the judge can see
}

// headerState is what a store's header says.
type headerState uint8

const (
	absent    headerState = iota // no snapshot there yet
	valid                        //
	abandoned                    // the kernel has invalidated the snapshot
	alien                        // of another chunk size or version
)

// area is the records of one area as they stand on disk now.
type area struct {
	number  uint64
	records []cow.Exception
	used    int // records that are no terminators
}

func newStore(x *explorer, index int, origin, cowSpan span, chunk cow.Sectors) (*store, error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return nil, err
	}
	s := &store{
		x: x, index: int16(index), origin: origin, cow: cowSpan,
		geometry: g, perChunk: g.ChunkBytes() / x.disk.blockBytes,
		header: noCell, areaOf: map[uint64]int32{},
	}
	s.bounds = cow.Bounds{
		Geometry:     g,
		DeviceChunks: (cowSpan.end - cowSpan.first) / s.perChunk,
		OriginChunks: (origin.end - origin.first + s.perChunk - 1) / s.perChunk,
	}
	s.onDisk = s.bounds.Areas()
	s.ledger = verify.NewLedger(s.bounds)
	s.image = newImage()
	return s, nil
}

// readHeader is what a header in chunk 0 says.
func (s *store) readHeader(id blockID) headerState {
	h := s.x.disk.headers[id]
	switch {
	case h.Magic != cow.Magic:
		return absent
	case h.Version != cow.Version || h.ChunkSectors() != s.geometry.ChunkSectors():
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

// areaChanged takes over the records of a block of an area.
func (s *store) areaChanged(r role, was, is blockID) {
	old, now := s.x.disk.records[was], s.x.disk.records[is]
	a := s.areas[r.chunk]
	first := int(r.block) * len(now)
	for i, e := range now {
		if e != old[i] {
			s.setRecord(a, first+i, e)
		}
	}
}

// setRecord changes one record, and the list where the record is a part of it.
func (s *store) setRecord(a *area, slot int, e cow.Exception) {
	was := a.records[slot]
	a.records[slot] = e
	if !was.Terminates() {
		a.used--
	}
	if !e.Terminates() {
		a.used++
	}
	k := a.number*s.geometry.ExceptionsPerArea() + uint64(slot)
	s.seen ^= mixRecord(k, was) ^ mixRecord(k, e)
	switch length := uint64(s.ledger.Len()); {
	case k < length && e.Terminates():
		s.cut(k)
	case k < length:
		s.unmap(was, k)
		s.ledger.Replace(int(k), e)
		s.mapTo(e, k)
	case k == length && !e.Terminates():
		s.grow()
	}
}

// cut ends the list before record k.
func (s *store) cut(k uint64) {
	for last := uint64(s.ledger.Len()); last > k; last-- {
		s.unmap(s.ledger.Pop(), last-1)
	}
}

// grow takes in the records behind the list, up to the next terminator.
func (s *store) grow() {
	perArea := s.geometry.ExceptionsPerArea()
	for {
		k := uint64(s.ledger.Len())
		a := s.areaAt(k / perArea)
		if a == nil {
			return
		}
		e := a.records[k%perArea]
		if e.Terminates() {
			return
		}
		s.ledger.Push(e)
		s.mapTo(e, k)
	}
}

// areaAt is an area, brought in from the base where no entry writes it; nil
// where the device does not hold it.
func (s *store) areaAt(number uint64) *area {
	if i, ok := s.areaOf[number]; ok {
		return s.areas[i]
	}
	if number >= s.onDisk {
		return nil
	}
	i := s.x.bringArea(s, number)
	if i < 0 {
		return nil
	}
	return s.areas[i]
}

// verdict is what the judge says of a store in one state.
type verdict struct {
	state     headerState
	corrupt   bool // does not parse, or names a chunk twice
	leaked    uint64
	stale     uint64 // records behind the terminator
	broken    int    // origin chunks of which the snapshot shows something else
	truncated bool
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
	length := uint64(s.ledger.Len())
	last := length / s.geometry.ExceptionsPerArea()
	if i, ok := s.areaOf[last]; ok {
		v.stale = uint64(s.areas[i].used) - (length - last*s.geometry.ExceptionsPerArea())
	}
	v.truncated = last >= s.onDisk
	v.corrupt = v.truncated || s.ledger.Errors() > 0
	v.leaked = s.ledger.Leaked()
	v.broken = s.brokenChunks
	return v
}

// mix hashes two numbers (the finalizer of MurmurHash3, on their combination).
func mix(a, b uint64) uint64 {
	h := a*0x9e3779b97f4a7c15 ^ b + 0x2545f4914f6cdd1d
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// mixRecord hashes record k; one that is no exception does not count.
func mixRecord(k uint64, e cow.Exception) uint64 {
	if e.Terminates() {
		return 0
	}
	return mix(k+2, mix(uint64(e.Old), uint64(e.New)))
}
