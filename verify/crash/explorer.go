// The explorer's ground: one state of the disk, which passes every change on to
// the stores concerned, and the entries of one epoch, resolved to blocks.

package crash

import (
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// explorer holds one state of the disk at a time. It walks through the log
// epoch by epoch, and keeps only one epoch and the durable state of the stores.
type explorer struct {
	*disk
	opt        *Options
	stores     []*store
	steps      []step      // of the epoch, from the entry disk.at on
	discarding []int       // entries of the epoch that are discards
	entered    bool        // the epoch's entries are all resolved
	applied    int         // entries that apply has processed
	kept       int         // cells left after the last call of forget
	above      *durability // nil without a layer above
}

// step is an entry as the explorer sees it.
type step struct {
	kind  kind
	store int16 // of commits, metadata and copies
	// ordered is true of commits and of headers written with FUA.
	ordered bool
	writes  []write
}

// write is what a step does to one block.
type write struct {
	cell  cell
	id    blockID
	block int32 // within the entry
}

// newExplorer returns the ground before the first entry.
func newExplorer(h *history, opt *Options, all []*facts) (*explorer, error) {
	x := &explorer{disk: newDisk(h), opt: opt}
	x.fresh = x.discardFresh
	for i := range h.layout.stores {
		x.stores = append(x.stores, newStore(x.disk, opt, i, all[i]))
	}
	return x, x.err
}

// apply makes all writes of an entry.
func (x *explorer) apply(entry int) {
	x.applied = entry + 1
	for _, w := range x.step(entry).writes {
		x.set(w.cell, w.id)
	}
}

// enter resolves the entries of the epoch that follows the durable ones.
func (x *explorer) enter(e interval) error {
	x.end, x.applied, x.entered = e.to, e.from, false
	x.steps = make([]step, e.to-e.from)
	for i := e.from; i < e.to; i++ {
		if err := x.opt.interrupted(); err != nil {
			return err
		}
		if err := x.resolve(i, x.log.Entry(i)); err != nil {
			return fmt.Errorf("entry %d of the log (%v): %w", i, x.log.Entry(i), err)
		}
	}
	x.resolveDiscards(e)
	x.entered = true
	return x.err
}

// advance makes the epoch durable.
func (x *explorer) advance() {
	for i := x.at; i < x.end; i++ {
		x.apply(i)
	}
	if x.above != nil {
		x.above.pass(x.end)
	}
	for _, s := range x.stores {
		s.settle()
	}
	x.leave()
}

// leave ends an epoch whose entries were applied.
func (x *explorer) leave() {
	for i := range x.steps {
		for _, w := range x.steps[i].writes {
			x.durable[w.cell] = x.content[w.cell]
		}
	}
	x.at, x.steps, x.entered = x.end, nil, false
	if len(x.content) > max(x.opt.keepCells(), 2*x.kept) {
		x.forget()
	}
}

// resolve turns an entry into a step. Discards wait until it is known which
// blocks the other entries touch.
func (x *explorer) resolve(i int, e logwrites.Entry) error {
	st := x.step(i)
	st.kind = x.kinds[i]
	if e.Flags&logwrites.Discard != 0 || !e.Writes() || st.kind == elsewhere {
		return nil
	}
	_, store := x.layout.kindOf(e)
	st.store = int16(store)
	st.ordered = st.kind == commits || st.kind == metadata && e.Flags&logwrites.FUA != 0 && covers(e, x.layout.stores[store].first)
	var err error
	x.layout.parts(span{e.Sector, e.Sector + e.Sectors}, func(part span, store int) {
		if err == nil {
			err = x.resolvePart(st, e, part, store)
		}
	})
	return err
}

// pieceBlocks is how many blocks of an entry's data are read at once.
const pieceBlocks = 128

// resolvePart takes the blocks of an entry in the origin (store -1) or in a
// store.
func (x *explorer) resolvePart(st *step, e logwrites.Entry, part span, store int) error {
	ss := x.layout.blockBytes
	buf := make([]byte, min(part.end-part.first, pieceBlocks)*ss)
	st.writes = slices.Grow(st.writes, int(part.end-part.first))
	for at := part.first; at < part.end; {
		n := min(part.end-at, pieceBlocks)
		piece := buf[:n*ss]
		if err := x.log.ReadData(e, at-e.Sector, piece); err != nil {
			return err
		}
		for ; n > 0; n-- {
			c := x.locate(at, store)
			if x.err != nil {
				return x.err
			}
			if c != noCell {
				st.writes = append(st.writes, write{c, x.interned(piece[:ss], x.roles[c].place), int32(at - e.Sector)})
			}
			piece = piece[ss:]
			at++
		}
	}
	return nil
}
