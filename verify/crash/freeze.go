// The freeze: when a snapshot began, and so what it must show.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// findFreezes determines, for each store, the entry at which its origin was
// frozen, and warns about oddities.
//
// A store that was valid from the start is frozen from the start, or from the
// mark. One that the log creates is frozen at the mark or, without one, when
// its first chunk is copied: the kernel writes the header when the table is
// loaded, while the origin is still being written, and no entry says when the
// snapshot is resumed. With several snapshots, the mark is for the first ones:
// a store created after the origin was written under another snapshot is frozen
// later.
func (h *history) findFreezes(opt *Options, all []*facts) (warnings []string, err error) {
	warnf := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	if h.markIsLoose(opt.mark) {
		warnf("the mark %q (entry %d) does not follow a flush: writes that were done before it may be logged after it", opt.FromMark, opt.mark)
	}
	began := never // the first snapshot
	for i, f := range all {
		f.freeze = max(0, opt.mark)
		at, err := h.creation(i, opt.mark)
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			f.created, f.born = true, at
		}
		began = min(began, max(f.born, f.freeze))
	}
	for i, f := range all {
		switch {
		case !f.created:
		case opt.mark < 0:
			f.freeze = h.firstCopy(i, f.born)
		case h.anyOrigin(began, f.born):
			f.freeze = h.firstCopy(i, f.born)
			warnf("store %d was created (entry %d) when the origin had been written under another snapshot: it is taken to be frozen when its first chunk is copied, and not at the mark", i, f.born)
		case h.anyOrigin(opt.mark, f.born):
			warnf("the origin is written between the mark %q (entry %d) and the creation of store %d (entry %d): it was sent too early, or writes that were done before it are logged after it", opt.FromMark, opt.mark, i, f.born)
		}
	}
	return warnings, nil
}

// markIsLoose reports whether a mark does not follow a flush: writes made
// before it may be logged after it.
func (h *history) markIsLoose(mark int) bool {
	if mark < 0 {
		return false
	}
	flush := mark - 1
	held := false // writes before the mark that no flush covers
	for ; flush >= 0 && h.log.Entry(flush).Flags&logwrites.Flush == 0; flush-- {
		held = held || h.kinds[flush] != elsewhere
	}
	for i := mark + 1; flush < 0 && !held && i < len(h.kinds) && h.log.Entry(i).Flags&logwrites.Flush == 0; i++ {
		held = h.kinds[i] == origins && h.log.Entry(i).Flags&logwrites.FUA == 0
	}
	return held
}

// creation is the last entry that gives an invalid store a valid header before
// its first copy, or -1.
func (h *history) creation(store, mark int) (int, error) {
	s := &h.layout.stores[store]
	created := -1
	block := make([]byte, h.layout.blockBytes)
	if err := h.readFrom(s.first, -1, block); err != nil {
		return -1, err
	}
	state := s.headerIn(block)
	for i := range h.writersOf(s.first, interval{0, h.log.Len()}) {
		if created >= 0 && h.firstCopy(store, created) < i {
			break
		}
		if err := h.readFrom(s.first, i, block); err != nil {
			return -1, err
		}
		was := state
		if state = s.headerIn(block); state == valid && was != valid && i >= mark {
			created = i
		}
	}
	return created, nil
}

func (s *storeLayout) headerIn(block []byte) headerState {
	header, _ := cow.DecodeHeader(block) // a block is large enough for a header
	return s.headerSays(header)
}

// anyOrigin reports whether the origin is written between two entries.
func (h *history) anyOrigin(from, to int) bool {
	for i := from; i < to; i++ {
		if h.kinds[i] == origins {
			return true
		}
	}
	return false
}

// firstCopy is the first write of a store's data from an entry on, or the end
// of the log.
func (h *history) firstCopy(store, from int) int {
	for i := from; i < len(h.kinds); i++ {
		if h.kinds[i] == copies {
			e := h.log.Entry(i)
			if _, n := h.layout.kindOf(e); n == store && e.HasData() {
				return i
			}
		}
	}
	return len(h.kinds)
}

// freeze freezes the stores that are frozen in the given epoch. The entries of
// that epoch must be resolved and not applied. From then on the stores are
// judged, in all states of that epoch.
func (x *explorer) freeze(epoch int) {
	for _, s := range x.stores {
		switch by := s.frozenBy(x.epochs); {
		case by < 0 || by > epoch:
			s.frozen = false
		case by < epoch:
			s.frozen = true
		default:
			x.takeImage(s)
		}
	}
}

// takeImage makes what a snapshot shows at its freeze what it must show.
func (x *explorer) takeImage(s *store) {
	s.frozen = false
	if s.created { // there can be no exceptions yet, whatever the areas say
		for k := range s.ledger.Len() {
			s.chunksOf(s.ledger.At(k))
		}
	}
	for i := x.at; i < s.facts.freeze; i++ {
		for _, w := range x.step(i).writes {
			x.set(w.cell, w.id)
		}
	}
	for _, o := range s.originChunks {
		holder := o.holder()
		if s.created {
			holder = o.cells
		}
		for i := range o.want {
			o.want[i] = x.content[holder[i]]
		}
		o.before = o.now()
	}
	s.frozen = true
	for i := x.at; i < s.facts.freeze; i++ {
		for _, w := range x.step(i).writes {
			x.set(w.cell, x.durable[w.cell])
		}
	}
	for _, o := range s.originChunks {
		s.recount(o)
	}
}
