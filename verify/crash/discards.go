// Discards: ranges of zeros, up to the size of a device. Only those of their
// blocks get cells that are tracked for another reason, or that are not zero in
// the origin.

package crash

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// discards reports whether an entry discards part of the origin or a store.
func (x *explorer) discards(i int) bool {
	return x.kinds[i] != elsewhere && x.log.Entry(i).Flags&logwrites.Discard != 0
}

// resolveDiscards turns the epoch's discards into writes of zeros.
func (x *explorer) resolveDiscards(e interval) {
	x.discarding = x.discarding[:0]
	for i := e.from; i < e.to && x.err == nil; i++ {
		if x.discards(i) {
			x.discarding = append(x.discarding, i)
			x.bringDiscarded(x.log.Entry(i))
		}
	}
	for _, i := range x.discarding {
		if x.err == nil {
			x.resolveDiscard(i, x.log.Entry(i))
		}
	}
}

// bringDiscarded makes cells for the blocks that a discard changes: nonzero
// blocks of the origin, and chunks that exceptions name.
func (x *explorer) bringDiscarded(e logwrites.Entry) {
	x.layout.parts(span{e.Sector, e.Sector + e.Sectors}, func(part span, store int) {
		if store >= 0 {
			x.stores[store].bringNamed(part)
			return
		}
		err := x.blocksWritten(part, func(run span) error {
			for at := run.first; at < run.end && x.err == nil; at++ {
				x.locateInOrigin(at)
			}
			return x.err
		})
		if err == nil {
			err = x.bringNonzero(part)
		}
		if err != nil {
			x.fail(err)
		}
	})
}

// bringNamed makes cells for the chunks in a part of the region that exceptions
// name.
func (s *store) bringNamed(part span) {
	for k := range s.ledger.Len() {
		if e := s.ledger.At(k); s.bounds.Fits(e) {
			if first := s.blockOf(e.New); first < part.end && first+s.perChunk > part.first {
				s.bringData(e.New)
			}
		}
	}
}

// bringNonzero makes cells for the origin's blocks in a span that are not zero
// in the base image. Discards before the first snapshot change nothing visible.
func (x *explorer) bringNonzero(part span) error {
	if x.base.ReaderAt == nil || x.end < x.earliestFreeze() {
		return nil
	}
	ss := x.layout.blockBytes
	buf := make([]byte, pieceBlocks*ss)
	for at := part.first; at < part.end && at < (x.base.size+ss-1)/ss; at += pieceBlocks {
		if err := x.opt.interrupted(); err != nil {
			return err
		}
		piece := buf[:min(pieceBlocks, part.end-at)*ss]
		if err := x.base.read(piece, at*ss); err != nil {
			return err
		}
		for i := uint64(0); i*ss < uint64(len(piece)); i++ {
			if !blockdev.IsZero(piece[i*ss : (i+1)*ss]) {
				x.locateInOrigin(at + i)
			}
		}
		if x.err != nil {
			return x.err
		}
	}
	return nil
}

// earliestFreeze is an entry before which no store is frozen.
func (x *explorer) earliestFreeze() int {
	begin := never
	for _, s := range x.stores {
		begin = min(begin, s.freeze)
	}
	return begin
}

// resolveDiscard makes a discard write zeros to all cells in it.
func (x *explorer) resolveDiscard(i int, e logwrites.Entry) {
	var inside []uint64
	if e.Sectors < uint64(len(x.blocks)) {
		for block := e.Sector; block < e.Sector+e.Sectors; block++ {
			if _, ok := x.cells[block]; ok {
				inside = append(inside, block)
			}
		}
	} else {
		for _, block := range x.blocks {
			if covers(e, block) {
				inside = append(inside, block)
			}
		}
		slices.Sort(inside)
	}
	st := x.step(i)
	st.kind = elsewhere
	for _, block := range inside {
		x.discardCell(st, e, x.cells[block])
	}
	if origin := x.layout.origin.clip(e.Sector, e.Sectors); st.kind == elsewhere && origin.first < origin.end {
		st.kind = origins
	}
}

// discardCell adds a block to the step of a discard.
func (x *explorer) discardCell(st *step, e logwrites.Entry, c cell) {
	r := x.roles[c]
	zero := x.interned(zeros[:x.layout.blockBytes], r.place)
	st.writes = append(st.writes, write{c, zero, int32(x.blocks[c] - e.Sector)})
	switch {
	case r.place == inArea || r.place == inHeader:
		st.kind, st.store = metadata, r.store
	case r.place == inData && st.kind != metadata:
		st.kind, st.store = copies, r.store
	case r.place == inOrigin && st.kind == elsewhere:
		st.kind = origins
	}
}

// discardFresh applies the epoch's discards to a cell that is made within the
// epoch. Discards that are already applied are in what the cell holds.
func (x *explorer) discardFresh(c cell) {
	if !x.entered {
		return // they are resolved later
	}
	for _, entry := range x.discarding {
		e := x.log.Entry(entry)
		if !covers(e, x.blocks[c]) {
			continue
		}
		st := x.step(entry)
		x.discardCell(st, e, c)
		if entry < x.applied {
			x.content[c] = st.writes[len(st.writes)-1].id
		}
	}
}
