// Discards: ranges of zeros, as large as a device. Only those blocks of them
// get cells at which somebody looks for another reason.

package crash

import (
	"math"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// bringDiscarded makes cells of the origin's chunks that a discard changes and
// no other entry touches: where the base image holds something. A discard of
// before the snapshot changes nothing that anybody sees.
func (x *explorer) bringDiscarded() error {
	if x.disk.base.ReaderAt == nil || len(x.discards) == 0 {
		return nil
	}
	begin := x.earliestFreeze()
	for _, d := range x.discards {
		if d.entry < begin {
			continue
		}
		if err := x.bringNonzero(x.stores[0].origin.clip(d.first, d.end-d.first)); err != nil {
			return err
		}
	}
	return x.err
}

// earliestFreeze is an entry before which no store is frozen.
func (x *explorer) earliestFreeze() int {
	if x.opt.mark >= 0 {
		return x.opt.mark
	}
	for _, s := range x.stores {
		if s.readHeader(x.disk.content[s.header]) == valid {
			return 0
		}
	}
	for i, st := range x.steps {
		for _, w := range st.writes {
			if r := x.roles[w.cell]; r.place == inHeader && x.stores[r.store].readHeader(w.id) == valid {
				return i
			}
		}
	}
	return len(x.steps)
}

// bringNonzero makes cells of the origin's blocks in a span that are not zero
// in the base image.
func (x *explorer) bringNonzero(part span) error {
	ss := x.disk.blockBytes
	buf := make([]byte, pieceBlocks*ss)
	for at := part.first; at < part.end && at < (x.disk.base.size+ss-1)/ss; at += pieceBlocks {
		if err := x.opt.interrupted(); err != nil {
			return err
		}
		piece := buf[:min(pieceBlocks, part.end-at)*ss]
		if err := x.disk.base.read(piece, at*ss); err != nil {
			return err
		}
		for i := uint64(0); i*ss < uint64(len(piece)); i++ {
			if isZero(piece[i*ss : (i+1)*ss]) {
				continue
			}
			for _, s := range x.stores {
				x.bringOrigin(s, cow.Chunk((at+i-s.origin.first)/s.perChunk))
			}
		}
		if x.err != nil {
			return x.err
		}
	}
	return nil
}

// resolveDiscards turns the discards into writes of zeros to the cells that
// there are, region by region as all entries are resolved.
func (x *explorer) resolveDiscards() {
	blocks := make([]uint64, 0, len(x.disk.cells))
	for b := range x.disk.cells {
		blocks = append(blocks, b)
	}
	slices.Sort(blocks)
	for _, d := range x.discards {
		st := &x.steps[d.entry]
		for _, region := range x.regions() {
			part := region.clip(d.first, d.end-d.first)
			first, _ := slices.BinarySearch(blocks, part.first)
			for _, b := range blocks[first:] {
				if b >= part.end {
					break
				}
				x.discardCell(st, d, b, x.disk.cells[b])
			}
		}
		if origin := x.stores[0].origin.clip(d.first, d.end-d.first); st.kind == elsewhere && origin.first < origin.end {
			st.kind = origins
		}
	}
}

// discardCell adds a block to the step of a discard.
func (x *explorer) discardCell(st *step, d discard, block uint64, c cell) {
	r := x.roles[c]
	st.writes = append(st.writes, write{c, r.interner()(x.disk, zeros[:x.disk.blockBytes]), int32(block - d.first)})
	st.becomes(r, x.log.Entry(d.entry).Flags&logwrites.FUA != 0)
}

// catchUp tells a cell that is made when the log has been loaded of the
// discards that cover it: of those that are applied by what it holds.
func (x *explorer) catchUp(c cell, block uint64) {
	for _, d := range x.discards {
		if !d.holds(block) {
			continue
		}
		st := &x.steps[d.entry]
		x.discardCell(st, d, block, c)
		for int(c) >= len(x.history) {
			x.history = append(x.history, nil)
		}
		id := st.writes[len(st.writes)-1].id
		x.history[c] = append(x.history[c], version{d.entry, id})
		if d.entry < x.applied {
			x.disk.content[c] = id
		}
	}
}

// maxDiscard is the most blocks of a discard that states can name; a request
// of the block layer holds far less (4 GiB).
const maxDiscard = math.MaxInt32
