// The freeze: when a snapshot began, and with it what it must show.

package crash

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// findFreezes works out, for each store, the entry before which its origin
// stood still.
//
// A store that was valid from the start is frozen from the start, or from the
// mark. One that the log creates is frozen at the mark or, without one, when
// its first chunk is copied: the kernel writes the header when the table is
// loaded, while the origin is still being written, and no entry tells when the
// snapshot is resumed. Of several snapshots the mark tells of the first ones:
// what is created after the origin was written under another is frozen later.
func (x *explorer) findFreezes() {
	x.checkMark()
	began := never // the first snapshot
	for _, s := range x.stores {
		s.freeze = max(0, x.opt.mark)
		if at := x.creation(s); at >= 0 {
			s.created, s.born = true, at
		}
		began = min(began, max(s.born, s.freeze))
	}
	for i, s := range x.stores {
		switch {
		case !s.created:
		case x.opt.mark < 0:
			s.freeze = x.firstCopy(s, s.born)
		case x.anyOrigin(began, s.born):
			s.freeze = x.firstCopy(s, s.born)
			x.warnf("store %d was created (entry %d) when the origin had been written under another snapshot: it is taken to be frozen when its first chunk is copied, and not at the mark", i, s.born)
		case x.anyOrigin(x.opt.mark, s.born):
			x.warnf("the origin is written between the mark %q (entry %d) and the creation of store %d (entry %d): it was sent too early, or writes that were done before it are logged behind it", x.opt.FromMark, x.opt.mark, i, s.born)
		}
	}
}

// checkMark warns of a mark that does not stand behind a flush: what was
// written before it may be logged behind it.
func (x *explorer) checkMark() {
	if x.opt.mark < 0 {
		return
	}
	flush := x.opt.mark - 1
	held := false // writes before the mark that no flush covers
	for ; flush >= 0 && x.log.Entry(flush).Flags&logwrites.Flush == 0; flush-- {
		held = held || x.steps[flush].kind != elsewhere
	}
	for i := x.opt.mark + 1; flush < 0 && !held && i < len(x.steps) && x.log.Entry(i).Flags&logwrites.Flush == 0; i++ {
		held = x.steps[i].kind == origins && x.log.Entry(i).Flags&logwrites.FUA == 0
	}
	if held {
		x.warnf("the mark %q (entry %d) does not stand behind a flush: writes that were done before it may stand behind it", x.opt.FromMark, x.opt.mark)
	}
}

// creation is the last entry that gives a store, invalid until then, a valid
// header before its first copy; -1 where none does.
func (x *explorer) creation(s *store) int {
	created := -1
	state := s.readHeader(x.initial[s.header])
	for i := range x.steps {
		if created >= 0 && x.steps[i].kind == copies && x.steps[i].store == s.index {
			break
		}
		for _, w := range x.steps[i].writes {
			if w.cell != s.header {
				continue
			}
			was := state
			if state = s.readHeader(w.id); state == valid && was != valid && i >= x.opt.mark {
				created = i
			}
		}
	}
	return created
}

// anyOrigin tells whether the origin is written between two entries.
func (x *explorer) anyOrigin(from, to int) bool {
	return slices.ContainsFunc(x.steps[from:to], func(st step) bool { return st.kind == origins && len(st.writes) > 0 })
}

// firstCopy is the first write of a store's data from an entry on, or the end
// of the log.
func (x *explorer) firstCopy(s *store, from int) int {
	for i, st := range x.steps[from:] {
		if st.kind == copies && st.store == s.index {
			return from + i
		}
	}
	return len(x.steps)
}

// freezeIn freezes the stores that are frozen in an epoch, whose entries are
// not applied yet. From then on they are judged, in all states of that epoch.
func (x *explorer) freezeIn(e interval) {
	for _, s := range x.stores {
		if s.frozen || s.freeze > e.to || s.freeze == e.to && e.to < len(x.steps) {
			continue
		}
		for i := e.from; i < s.freeze; i++ {
			for _, w := range x.steps[i].writes {
				if x.roles[w.cell].place == inOrigin {
					s.maybe[w.cell] = append(s.maybe[w.cell], x.disk.content[w.cell])
				}
				x.set(w.cell, w.id)
			}
		}
		s.takeImage()
		for i := e.from; i < s.freeze; i++ {
			for _, w := range x.steps[i].writes {
				x.set(w.cell, x.durable[w.cell])
			}
		}
	}
}

// takeImage makes what the snapshot shows now what it must show.
func (s *store) takeImage() {
	s.frozen = true
	for _, o := range s.originChunks {
		holder := o.holder()
		if s.created { // there can be no exceptions yet, whatever the areas say
			holder = o.cells
		}
		for i := range o.want {
			o.want[i] = s.x.disk.content[holder[i]]
		}
		o.before = o.now()
		if at := o.now(); at != nil && !s.created {
			s.known[cow.Exception{Old: o.number, New: at.number}] = commit{content: frozenContent}
		}
		s.recount(o)
	}
}
