// The visitor: judges the states of an epoch, and counts.

package crash

// visitor judges the states that an explorer visits.
type visitor struct {
	*explorer
	report   *Report
	epoch    *epoch
	distinct map[uint64]struct{} // what the judge saw, in this epoch
	second   *second
	gallery  *gallery // nil if no images are wanted
	window   Window   // of the current epoch
	// The number of states at the last check whether to stop.
	looked, lookedStates uint64
	told                 func(states uint64) // called with more states now and then
}

// maxDistinct bounds the memory for what the judge saw in one epoch.
const maxDistinct = 1 << 22

func newVisitor(x *explorer, told func(uint64)) *visitor {
	v := &visitor{explorer: x, told: told}
	if x.opt.Crashes > 1 {
		v.second = newSecond(v)
	}
	if x.opt.Show != nil {
		v.gallery = newGallery(v)
	}
	return v
}

// begin starts an empty report.
func (v *visitor) begin() {
	v.report = &Report{Worst: &Worst{Entry: -1}, SecondCrash: &SecondCrash{}, Windows: []Window{}}
	v.looked, v.lookedStates = 0, 0
}

// visit enumerates the current epoch or a part of it: the structured states,
// and a number of random ones.
func (v *visitor) visit(e interval, p part) {
	for _, s := range v.stores {
		s.wasThere = s.state == valid && !v.removesHeader(s)
	}
	v.distinct = map[uint64]struct{}{}
	v.window = Window{From: e.from, To: e.to}
	before := *v.report
	defer v.closeWindow(&before)
	r := newEpoch(v.explorer, e, v.judge)
	v.epoch = r
	if v.above != nil {
		v.above.open(r)
	}
	if v.gallery != nil {
		v.gallery.begin(e)
	}
	c := &v.report.Coverage
	exhaustible := r.exhaustible(v.opt.exhaustive())
	if p.index == 0 {
		c.Epochs++
		c.LargestEpoch = max(c.LargestEpoch, len(r.choices))
		v.structured(r, exhaustible)
	}
	if !exhaustible {
		visited := v.report.States
		r.sample(p.sampled(v.opt.reorder()), v.opt.Seed, uint64(p.index))
		c.SampledStates += v.report.States - visited
	}
	if v.gallery != nil && p.index == p.of-1 {
		r.settle(r.all(whole))
		v.gallery.end()
	}
	r.settle(r.all(none))
	v.told(v.report.States - v.lookedStates)
	v.lookedStates = v.report.States
}

// structured visits all states of an epoch except random ones.
func (v *visitor) structured(r *epoch, exhaustible bool) {
	c := &v.report.Coverage
	if exhaustible {
		c.ExhaustiveEpochs++
		r.exhaust(0, chain{})
	} else {
		c.SampledEpochs++
		r.prefixes()
		r.singles()
	}
	visited := v.report.States
	r.tears(v.opt.exhaustive())
	c.TornWrites += v.report.States - visited
}

// closeWindow keeps the epoch's window if something was found in it.
func (v *visitor) closeWindow(before *Report) {
	w, r := &v.window, v.report
	w.States = r.States - before.States
	w.Leaking = r.LeakingStates - before.LeakingStates
	w.Corrupt = r.CorruptStates - before.CorruptStates
	w.Broken = r.BrokenImageStates - before.BrokenImageStates
	w.Lost = r.LostWriteStates - before.LostWriteStates
	r.Epochs = append(r.Epochs, *w)
	if w.Leaking+w.Corrupt+w.Broken+w.Lost > 0 {
		r.Windows = append(r.Windows, *w)
	}
}

// removesHeader reports whether an entry of the epoch removes a store.
func (v *visitor) removesHeader(s *store) bool {
	for i := range v.steps {
		for _, w := range v.steps[i].writes {
			if w.cell == s.header && s.readHeader(w.id) == absent {
				return true
			}
		}
	}
	return false
}

// judge judges the state that the disk is in.
func (v *visitor) judge() {
	all := v.outcome()
	r := v.report
	r.States++
	if v.opt.Visit != nil {
		v.show(all.lost)
	}
	if v.gallery != nil {
		v.gallery.look()
	}
	if v.epoch.torn > 0 {
		r.Coverage.TornCommits++
	}
	_, known := v.distinct[all.seen]
	if !known && len(v.distinct) < maxDistinct {
		v.distinct[all.seen] = struct{}{}
	}
	if all.stale > 0 {
		r.StaleStates++
	}
	if all.abandoned {
		r.AbandonedStates++
	}
	if all.leaked > 0 {
		r.LeakingStates++
		v.keep(&r.FirstLeak, leaks, all)
		v.window.Leaked = max(v.window.Leaked, all.leaked)
		if all.leaked > r.Worst.Leaked {
			name := v.epoch.name()
			*r.Worst = Worst{State: name.String(), Entry: name.Last(), Leaked: all.leaked}
		}
	}
	if all.corrupt {
		r.CorruptStates++
		v.keep(&r.FirstCorrupt, corrupts, all)
	}
	if all.broken > 0 {
		r.BrokenImageStates++
		v.keep(&r.FirstBroken, breaks, all)
	}
	if all.lost {
		r.LostWriteStates++
		v.keep(&r.FirstLost, loses, all)
	}
	if v.second != nil && !known && !all.corrupt && !all.abandoned && all.broken == 0 {
		v.second.from(all)
	}
	v.lookUp()
}

// lookUp checks, every few thousand states, whether to stop, and reports
// progress: an epoch can have any number of states.
func (v *visitor) lookUp() {
	judged := v.report.States + v.report.SecondCrash.States
	if judged-v.looked < 4096 {
		return
	}
	v.told(v.report.States - v.lookedStates)
	v.looked, v.lookedStates = judged, v.report.States
	v.epoch.stopped = v.epoch.stopped || v.opt.interrupted() != nil
}

// show passes the state that the disk is in to Options.Visit.
func (v *visitor) show(lost bool) {
	s := v.stores[0]
	d := s.verdict()
	v.opt.Visit(Judged{
		State: v.epoch.name, Valid: d.state == valid, Corrupt: d.corrupt, LeakedChunks: d.leaked,
		StaleRecords: d.stale, BrokenChunks: d.broken, Lost: lost, AllocatedSectors: s.allocated(),
	})
}
