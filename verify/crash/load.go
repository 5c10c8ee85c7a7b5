// Loading: from entries to writes of cells.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// pieceBlocks is how many blocks of an entry's data are read at once.
const pieceBlocks = 128

// load resolves all entries and cuts the log into epochs.
func (x *explorer) load() error {
	for _, s := range x.stores {
		header, err := x.newCell(s.cow.first, role{place: inHeader, store: s.index}, (*disk).internHeader)
		if err != nil {
			return err
		}
		s.header = header
		if s.onDisk > 0 && x.bringArea(s, 0) < 0 {
			return x.err
		}
	}
	x.steps = make([]step, x.log.Len())
	begin := 0
	for i, e := range x.log.Entries() {
		if err := x.opt.interrupted(); err != nil {
			return err
		}
		if e.Flags&logwrites.Flush != 0 {
			x.epochs = append(x.epochs, interval{begin, i})
			begin = i
			x.steps[i].kind = flushes
		}
		if !e.Writes() {
			continue
		}
		if err := x.resolve(i, e); err != nil {
			return fmt.Errorf("entry %d of the log (%v): %w", i, e, err)
		}
	}
	if err := x.bringDiscarded(); err != nil {
		return fmt.Errorf("looking for what is discarded: %w", err)
	}
	x.resolveDiscards()
	x.epochs = append(x.epochs, interval{begin, x.log.Len()})
	x.remember()
	return x.err
}

// remember builds the history of each cell.
func (x *explorer) remember() {
	x.history = make([][]version, len(x.disk.content))
	for i := range x.steps {
		for _, w := range x.steps[i].writes {
			x.history[w.cell] = append(x.history[w.cell], version{i, w.id})
		}
	}
}

// regions are the origin and the stores.
func (x *explorer) regions() []span {
	spans := []span{x.stores[0].origin}
	for _, s := range x.stores {
		spans = append(spans, s.cow)
	}
	return spans
}

// resolve turns an entry into a step. Discards wait until it is known which
// blocks the others touch.
func (x *explorer) resolve(i int, e logwrites.Entry) error {
	if e.Flags&logwrites.Discard != 0 {
		if e.Sectors > maxDiscard {
			return fmt.Errorf("a discard of %d sectors is more than a request can hold", e.Sectors)
		}
		x.discards = append(x.discards, discard{i, span{e.Sector, e.Sector + e.Sectors}})
		return nil
	}
	st := &x.steps[i]
	for n, region := range x.regions() {
		part := region.clip(e.Sector, e.Sectors)
		if part.first >= part.end {
			continue
		}
		if err := x.resolvePart(st, e, part, n-1); err != nil {
			return err
		}
	}
	return nil
}

// resolvePart takes the blocks of an entry that lie in the origin (store -1)
// or in a store.
func (x *explorer) resolvePart(st *step, e logwrites.Entry, part span, store int) error {
	ss := x.log.SectorSize
	buf := make([]byte, min(part.end-part.first, pieceBlocks)*ss)
	for at := part.first; at < part.end; {
		n := min(part.end-at, pieceBlocks)
		piece := buf[:n*ss]
		if err := x.log.ReadData(e, at-e.Sector, piece); err != nil {
			return err
		}
		for ; n > 0; n-- {
			c, r, err := x.locate(at, store)
			if err != nil {
				return err
			}
			if c != noCell {
				st.writes = append(st.writes, write{c, r.interner()(x.disk, piece[:ss]), int32(at - e.Sector)})
				st.becomes(r, e.Flags&logwrites.FUA != 0)
			}
			piece = piece[ss:]
			at++
		}
	}
	return nil
}

// interner is how a block in this role is interned.
func (r role) interner() interner {
	switch r.place {
	case inArea:
		return (*disk).internArea
	case inHeader:
		return (*disk).internHeader
	default:
		return (*disk).intern
	}
}

// becomes works out a step's kind from the blocks that it writes: metadata
// among them makes it metadata, and a commit is all area, with FUA.
func (st *step) becomes(r role, fua bool) {
	k := origins
	switch r.place {
	case inData:
		k = copies
	case inHeader:
		k = metadata
	case inArea:
		k = metadata
		if fua && (st.kind == commits || len(st.writes) == 1) {
			k = commits
		}
	}
	if r.place != inOrigin {
		st.store = r.store
	}
	if len(st.writes) == 1 || st.kind != metadata {
		st.kind = k
	}
	if k != commits && len(st.writes) > 1 && st.kind == commits {
		st.kind = metadata
	}
}

// locate is the cell and role of a block of the origin (store -1) or of a
// store, noCell where nobody looks at it.
func (x *explorer) locate(block uint64, store int) (cell, role, error) {
	if c, ok := x.disk.cells[block]; ok {
		return c, x.roles[c], nil
	}
	if store < 0 {
		for _, s := range x.stores {
			x.bringOrigin(s, cow.Chunk((block-s.origin.first)/s.perChunk))
		}
	} else {
		s := x.stores[store]
		switch chunk := cow.Chunk((block - s.cow.first) / s.perChunk); {
		case !s.bounds.OnDevice(chunk), chunk == 0: // the header's own block has a cell
			return noCell, role{}, nil
		case s.geometry.IsMetadata(chunk):
			x.bringArea(s, s.geometry.AreaOf(chunk))
		default:
			x.bringData(s, chunk)
		}
	}
	if x.err != nil {
		return noCell, role{}, x.err
	}
	c := x.disk.cells[block]
	return c, x.roles[c], nil
}
