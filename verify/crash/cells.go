// Cells: the blocks that an epoch writes.

package crash

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// set changes what a cell holds.
func (x *explorer) set(c cell, id blockID) {
	was := x.content[c]
	if was == id {
		return
	}
	x.content[c] = id
	switch r := x.roles[c]; r.place {
	case inOrigin:
		for _, s := range x.stores {
			s.originChanged(c, was, id)
		}
		if x.above != nil {
			x.above.touch(c)
		}
	case inData:
		x.stores[r.store].dataChanged(r, was, id)
	case inArea:
		x.stores[r.store].areaChanged(r, was, id)
	case inHeader:
		x.stores[r.store].headerChanged(id)
	}
}

// step is what an entry of the epoch does.
func (x *explorer) step(entry int) *step { return &x.steps[entry-x.at] }

// locate returns the cell of a block of the origin (store -1) or of a store, or
// noCell if the block is not tracked.
func (x *explorer) locate(block uint64, store int) cell {
	if store < 0 {
		x.locateInOrigin(block)
	}
	if c, ok := x.cells[block]; ok {
		return c
	}
	if store < 0 {
		return noCell
	}
	s := x.stores[store]
	switch chunk := s.chunkAt(block); s.placeOf(block) {
	case inArea:
		s.areaAt(s.geometry().AreaOf(chunk))
	case inData:
		s.bringData(chunk)
	default:
		return noCell
	}
	if x.err != nil {
		return noCell
	}
	return x.cells[block]
}

// locateInOrigin makes every store track a block of the origin.
func (x *explorer) locateInOrigin(block uint64) {
	for _, s := range x.stores {
		s.bringOrigin(cow.Chunk((block - x.layout.origin.first) / s.perChunk))
	}
}
