// The explorer's ground: the log's entries resolved to blocks, and one state
// of the disk, of which every change is passed on to the stores concerned.

package crash

import (
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// explorer holds one state of the disk at a time.
type explorer struct {
	log    *logwrites.Log
	opt    Options
	disk   *disk
	stores []*store
	roles  []role     // by cell
	steps  []step     // by entry
	epochs []interval // of entries between flushes
	// discards read as zeros, which is what most devices give back.
	discards []discard
	applied  int // entries that apply has gone through

	initial []blockID // before the first entry, by cell
	durable []blockID // when the epoch began, by cell
	history [][]version

	epochStart, epochEnd int // the entries of the epoch that is explored

	warnings []string // of what was taken to be so

	err error // the first error of bringing blocks in
}

// version is a content that an entry gave a block.
type version struct {
	entry int
	id    blockID
}

// interval is the entries from from up to, not including, to.
type interval struct{ from, to int }

// newExplorer resolves a log.
func newExplorer(l *logwrites.Log, opt Options) (*explorer, error) {
	if err := opt.check(l.SectorSize); err != nil {
		return nil, err
	}
	x := &explorer{log: l, opt: opt, disk: newDisk(l.SectorSize, base{opt.Base, opt.BaseSize})}
	originSpan, err := opt.Origin.span(l.SectorSize)
	if err != nil {
		return nil, fmt.Errorf("the origin: %w", err)
	}
	for i, region := range opt.COW {
		cowSpan, err := region.span(l.SectorSize)
		if err != nil {
			return nil, fmt.Errorf("the COW store: %w", err)
		}
		chunk, err := findChunkSize(l, x.disk.base, opt.mark, cowSpan.first)
		if err != nil {
			return nil, fmt.Errorf("the COW store at %v: %w", region.inBlocks(l.SectorSize), err)
		}
		s, err := newStore(x, i, originSpan, cowSpan, chunk)
		if err != nil {
			return nil, fmt.Errorf("the COW store at %v: %w", region.inBlocks(l.SectorSize), err)
		}
		if s.perChunk == 0 {
			return nil, fmt.Errorf("the COW store at %v: its chunks of %d sectors are smaller than a block of the device (%d bytes)", region.inBlocks(l.SectorSize), chunk, l.SectorSize)
		}
		x.stores = append(x.stores, s)
	}
	if err := x.load(); err != nil {
		return nil, err
	}
	x.initial = append([]blockID(nil), x.disk.content...)
	x.durable = append([]blockID(nil), x.disk.content...)
	for _, s := range x.stores {
		s.state = s.readHeader(x.disk.content[s.header])
		s.grow()
	}
	return x, nil
}

// findChunkSize looks for the header of a store at a block: the last one
// written before the mark, else the first one behind it, else that of the base
// image.
func findChunkSize(l *logwrites.Log, b base, mark int, first uint64) (cow.Sectors, error) {
	block := make([]byte, l.SectorSize)
	if err := b.read(block, first*l.SectorSize); err != nil {
		return 0, fmt.Errorf("reading the base image: %w", err)
	}
	found, ok := chunkSizeIn(block)
	for i, e := range l.Entries() {
		if ok && i > mark {
			break
		}
		if !e.HasData() || e.Sector > first || first-e.Sector >= e.Sectors {
			continue
		}
		if err := l.ReadData(e, first-e.Sector, block); err != nil {
			return 0, fmt.Errorf("reading entry %d: %w", i, err)
		}
		if chunk, is := chunkSizeIn(block); is {
			found, ok = chunk, true
		}
	}
	if !ok {
		return 0, ErrNoStore
	}
	return found, nil
}

// ErrNoStore is returned where neither the log nor the base image holds a
// store's header at the start of the COW region.
var ErrNoStore = errors.New("no store there: neither the base image nor an entry of the log has a header at the region's first sector (START and LEN count sectors of the logged device)")

func chunkSizeIn(block []byte) (cow.Sectors, bool) {
	h, err := cow.DecodeHeader(block)
	if err != nil || h.Magic != cow.Magic || cow.CheckChunkSize(h.ChunkSectors()) != nil {
		return 0, false
	}
	return h.ChunkSectors(), true
}

// fail notes an error of a place that cannot return it; Explore returns it.
func (x *explorer) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

func (x *explorer) warnf(format string, args ...any) {
	x.warnings = append(x.warnings, fmt.Sprintf(format, args...))
}

// set changes what a cell holds.
func (x *explorer) set(c cell, id blockID) {
	was := x.disk.content[c]
	if was == id {
		return
	}
	x.disk.content[c] = id
	switch r := x.roles[c]; r.place {
	case inOrigin:
		for _, s := range x.stores {
			s.originChanged(c, was, id)
		}
	case inData:
		x.stores[r.store].dataChanged(r, was, id)
	case inArea:
		x.stores[r.store].areaChanged(r, was, id)
	case inHeader:
		x.stores[r.store].headerChanged(id)
	}
}

// apply makes all of an entry's writes.
func (x *explorer) apply(entry int) {
	x.applied = entry + 1
	for _, w := range x.steps[entry].writes {
		x.set(w.cell, w.id)
	}
}

// reset brings the disk back to what it was before the first entry.
func (x *explorer) reset() {
	x.applied = 0
	for c, id := range x.initial {
		x.set(cell(c), id)
	}
}

// wrote tells whether an entry of the epoch, or one before it but not before
// from, gave a cell this content.
func (x *explorer) wrote(c cell, id blockID, from int) bool {
	return x.wroteIn(c, id, interval{from, x.epochEnd})
}

// wroteIn tells whether one of these entries gave a cell this content.
func (x *explorer) wroteIn(c cell, id blockID, entries interval) bool {
	for _, v := range x.versions(c) {
		if v.id == id && v.entry >= entries.from && v.entry < entries.to {
			return true
		}
	}
	return false
}

// firstWrite is the first content that an entry from one on gave a cell; where
// none does its entry is never.
func (x *explorer) firstWrite(c cell, from int) version {
	for _, v := range x.versions(c) {
		if v.entry >= from {
			return v
		}
	}
	return version{entry: never}
}

// writes is how many of these entries gave a cell a content.
func (x *explorer) writes(c cell, entries interval) int {
	n := 0
	for _, v := range x.versions(c) {
		if v.entry >= entries.from && v.entry < entries.to {
			n++
		}
	}
	return n
}

// versions are all contents that entries give a cell, in their order.
func (x *explorer) versions(c cell) []version {
	if int(c) >= len(x.history) {
		return nil
	}
	return x.history[c]
}

// newCell is disk.cellAt with a role for fresh cells.
func (x *explorer) newCell(block uint64, r role, intern interner) (cell, error) {
	c, fresh, err := x.disk.cellAt(block, intern)
	if err != nil || !fresh {
		return c, err
	}
	x.roles = append(x.roles, r)
	if x.initial != nil { // the log was loaded: no entry but discards writes this cell
		x.initial = append(x.initial, x.disk.content[c])
		x.catchUp(c, block)
		x.durable = append(x.durable, x.disk.content[c])
	}
	return c, nil
}

// bring makes the cells of n blocks from first on.
func (x *explorer) bring(first, n uint64, r role, intern interner) ([]cell, error) {
	cells := make([]cell, n)
	for i := range cells {
		r.block = int32(i)
		c, err := x.newCell(first+uint64(i), r, intern)
		if err != nil {
			return nil, err
		}
		cells[i] = c
	}
	return cells, nil
}

// bringArea makes the cells of an area that the device holds, and is its
// index; -1 where it cannot be read, which loading has ruled out for areas
// that the log writes.
func (x *explorer) bringArea(s *store, number uint64) int32 {
	if i, ok := s.areaOf[number]; ok {
		return i
	}
	i := int32(len(s.areas))
	first := s.cow.first + uint64(s.geometry.AreaChunk(number))*s.perChunk
	cells, err := x.bring(first, s.perChunk, role{place: inArea, store: s.index, chunk: i}, (*disk).internArea)
	if err != nil {
		x.fail(err)
		return -1
	}
	a := &area{number: number}
	for _, c := range cells {
		a.records = append(a.records, x.disk.records[x.disk.content[c]]...)
	}
	for slot, e := range a.records {
		if !e.Terminates() {
			a.used++
			s.seen ^= mixRecord(number*s.geometry.ExceptionsPerArea()+uint64(slot), e)
		}
	}
	s.areas = append(s.areas, a)
	s.areaOf[number] = i
	return i
}

// bringData makes the cells of a chunk of a store's data.
func (x *explorer) bringData(s *store, chunk cow.Chunk) *cowChunk {
	if i, ok := s.cowOf[chunk]; ok {
		return s.cowChunks[i]
	}
	i := int32(len(s.cowChunks))
	cells, err := x.bring(s.cow.first+uint64(chunk)*s.perChunk, s.perChunk, role{place: inData, store: s.index, chunk: i}, (*disk).intern)
	if err != nil {
		x.fail(err)
		return nil
	}
	c := &cowChunk{number: chunk, cells: cells}
	s.cowChunks = append(s.cowChunks, c)
	s.cowOf[chunk] = i
	return c
}

// bringOrigin makes the cells of a chunk of the origin.
func (x *explorer) bringOrigin(s *store, chunk cow.Chunk) *originChunk {
	if i, ok := s.originOf[chunk]; ok {
		return s.originChunks[i]
	}
	first := s.origin.first + uint64(chunk)*s.perChunk
	n := min(s.perChunk, s.origin.end-first)
	cells, err := x.bring(first, n, role{place: inOrigin}, (*disk).intern)
	if err != nil {
		x.fail(err)
		return nil
	}
	o := &originChunk{number: chunk, cells: cells, want: make([]blockID, n), cleared: never}
	for block, c := range cells {
		o.want[block] = x.disk.content[c]
		for int(c) >= len(s.originAt) {
			s.originAt = append(s.originAt, blockRef{})
		}
		s.originAt[c] = blockRef{o, int32(block)}
	}
	s.originOf[chunk] = int32(len(s.originChunks))
	s.originChunks = append(s.originChunks, o)
	return o
}
