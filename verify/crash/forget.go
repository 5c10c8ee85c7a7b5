// Forgetting and skipping: how the explorer limits its memory to one epoch and
// the durable state of the stores.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// forget drops the cells that only past epochs needed; the history knows their
// content. Headers, areas and broken blocks stay.
func (x *explorer) forget() {
	var pins [][]*originChunk // by store
	for _, s := range x.stores {
		pins = append(pins, s.unlook())
	}
	old := *x.disk
	*x.disk = *newDisk(old.history)
	x.at, x.end, x.fresh, x.err = old.at, old.end, old.fresh, old.err
	for i, s := range x.stores {
		s.keep(&old)
		for _, was := range pins[i] {
			if o := s.bringOrigin(was.number); o != nil {
				o.want = was.want
				s.setBad(o, was.bad)
				o.touched = false
			}
		}
		s.changed = s.changed[:0]
	}
	x.kept = len(x.content)
}

// unlook removes all chunks from a store, and returns those that must be
// remembered.
func (s *store) unlook() (pins []*originChunk) {
	for _, o := range s.originChunks {
		if s.pinned(o) {
			kept := *o
			pins = append(pins, &kept)
		}
		s.setBad(o, 0)
	}
	s.originChunks, s.cowChunks, s.originAt = nil, nil, nil
	s.originOf, s.cowOf = map[cow.Chunk]int32{}, map[cow.Chunk]int32{}
	return pins
}

// pinned reports whether a chunk must be remembered: it shows the wrong
// content.
func (s *store) pinned(o *originChunk) bool {
	for i, c := range o.holder()[:len(o.want)] {
		if s.frozen && o.want[i] != s.content[c] {
			return true
		}
	}
	return false
}

// keep makes the cells of the header and of the areas in a new disk, as they
// were in an old one.
func (s *store) keep(old *disk) {
	id := old.content[s.header]
	s.headers[id] = old.headers[id]
	s.header = s.newCell(s.first, role{place: inHeader, store: s.index}, id)
	for i, a := range s.areas {
		first := s.blockOf(s.geometry().AreaChunk(a.number))
		for block, id := range a.blocks {
			s.records[id] = old.records[id]
			s.newCell(first+uint64(block), role{place: inArea, store: s.index, chunk: int32(i), block: int32(block)}, id)
		}
	}
}

// canSkip reports whether an epoch can be made durable without reading its
// data. As long as no snapshot departs from what was frozen, every chunk shows
// what it must.
func (x *explorer) canSkip(e interval) bool {
	if x.above != nil {
		return false
	}
	for i := e.from; i < e.to; i++ {
		if x.discards(i) {
			return false
		}
	}
	for _, s := range x.stores {
		if s.departs <= e.from {
			return false
		}
	}
	return true
}

// skip makes an epoch durable if canSkip holds. It reads only headers and
// areas.
func (x *explorer) skip(e interval) error {
	looked := false
	for _, s := range x.stores {
		looked = looked || len(s.originChunks)+len(s.cowChunks) > 0
		s.frozen = false
	}
	if looked {
		x.forget()
	}
	x.end = e.to
	for i := e.from; i < e.to; i++ {
		if k := x.kinds[i]; k == commits || k == metadata {
			if err := x.applyMetadata(i); err != nil {
				return fmt.Errorf("entry %d of the log (%v): %w", i, x.log.Entry(i), err)
			}
		}
	}
	x.at = e.to
	return x.err
}

// applyMetadata makes the writes of an entry to headers and areas durable.
func (x *explorer) applyMetadata(i int) error {
	e := x.log.Entry(i)
	var err error
	x.layout.parts(span{e.Sector, e.Sector + e.Sectors}, func(part span, store int) {
		for at := part.first; at < part.end && store >= 0 && err == nil; at++ {
			s := x.stores[store]
			in := s.placeOf(at)
			if in != inHeader && in != inArea {
				continue
			}
			c := x.locate(at, store)
			block := x.buffer(1)
			if err = x.readFrom(at, i, block); err == nil && c != noCell {
				x.set(c, x.interned(block, in))
				x.durable[c] = x.content[c]
			}
		}
	})
	return err
}
