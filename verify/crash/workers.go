// Workers: each walks through the log with its own ground, and judges the
// states of the epochs that the schedule assigns to it. Their results are
// joined in log order, so the report does not depend on the number of workers.

package crash

import (
	"context"
	"math/bits"
)

// partStates is the most random states in a part.
const partStates = 4096

// item is a piece of work: the epochs in [first, end), or a part of one epoch.
type item struct {
	number     int
	first, end int // epochs
	part       part
}

// schedule hands out items, in the order of the log.
type schedule struct {
	h      *history
	opt    *Options
	number int
	epoch  int // the next one
	part   int // the next one of it
}

func newSchedule(h *history, opt *Options, first int) *schedule {
	return &schedule{h: h, opt: opt, epoch: first}
}

// groupEntries is about how many entries the epochs of one item have.
const groupEntries = 64

// next is the next item; ok is false if there is none.
func (s *schedule) next() (it item, ok bool) {
	for s.epoch < len(s.h.epochs) && !s.opt.Shard.has(s.epoch) {
		s.epoch++
	}
	if s.epoch >= len(s.h.epochs) {
		return item{}, false
	}
	it = item{number: s.number, first: s.epoch, end: s.epoch + 1, part: part{0, 1}}
	s.number++
	if parts := s.partsOf(s.epoch); parts > 1 {
		it.part = part{s.part, parts}
		if s.part++; s.part == parts {
			s.part = 0
			s.epoch++
		}
		return it, true
	}
	for entries := 0; ; {
		entries += s.h.epochs[s.epoch].to - s.h.epochs[s.epoch].from
		s.epoch++
		it.end = s.epoch
		if entries >= groupEntries || s.epoch == len(s.h.epochs) || !s.opt.Shard.has(s.epoch) || s.partsOf(s.epoch) > 1 {
			return it, true
		}
	}
}

// partsOf is the number of parts that an epoch is cut into. Only epochs that
// cannot be exhausted and have many random states are cut. Second crashes are
// judged over a whole epoch.
func (s *schedule) partsOf(epoch int) int {
	if s.opt.Crashes > 1 || s.opt.reorder() <= partStates {
		return 1
	}
	e, writes := s.h.epochs[epoch], 0
	for i := e.from; i < e.to; i++ {
		if s.h.kinds[i] > flushes {
			writes++
		}
	}
	if writes <= bits.Len(uint(s.opt.exhaustive())) {
		return 1
	}
	return (s.opt.reorder() + partStates - 1) / partStates
}

// worker walks through the log.
type worker struct {
	*visitor
	epoch int // where the ground is
}

// workOn judges scheduled items until there are no more.
func (x *exploration) workOn(ctx context.Context) error {
	ground, err := newExplorer(x.history, x.opt, x.facts)
	if err != nil {
		return err
	}
	if x.upper != nil {
		ground.above = newDurability(x.upper, ground)
	}
	w := &worker{visitor: newVisitor(ground, x.tell)}
	for {
		it, ok := x.take()
		if !ok {
			return nil
		}
		err := w.work(it)
		whole := err == nil && ctx.Err() == nil
		x.give(it, w, whole)
		if err != nil {
			return err
		}
		if !whole {
			return nil
		}
	}
}

func (x *exploration) take() (item, bool) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if x.err != nil {
		return item{}, false
	}
	return x.work.next()
}

// give submits what was found in an item.
func (x *exploration) give(it item, w *worker, whole bool) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	r := result{report: w.report, whole: whole, explored: x.epochs[it.end-1].to, last: it.part.index == it.part.of-1}
	if it.part.of > 1 {
		r.epoch, r.distinct = it.first, w.distinct
	}
	x.results.add(it.number, r)
	if x.opt.Progress != nil {
		x.opt.Progress(x.report.ExploredEntries, x.log.Len(), x.states)
	}
}

// tell adds to the number of states known to be judged.
func (x *exploration) tell(states uint64) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.states += states
	if x.opt.Progress != nil && states >= partStates {
		x.opt.Progress(x.report.ExploredEntries, x.log.Len(), x.states)
	}
}

// work judges an item.
func (w *worker) work(it item) error {
	w.begin()
	for epoch := it.first; epoch < it.end; epoch++ {
		if err := w.goTo(epoch); err != nil {
			return err
		}
		if err := w.enterHere(); err != nil {
			return err
		}
		w.visit(w.epochs[epoch], it.part)
		if it.part.of == 1 {
			w.report.Coverage.DistinctStates += uint64(len(w.distinct))
		}
		if w.err != nil || w.visitor.epoch.stopped {
			return w.err
		}
	}
	return nil
}

// goTo moves the ground to an epoch.
func (w *worker) goTo(epoch int) error {
	for ; w.epoch < epoch; w.epoch++ {
		if err := w.opt.interrupted(); err != nil {
			return err
		}
		e := w.epochs[w.epoch]
		if !w.entered && w.canSkip(e) {
			if err := w.skip(e); err != nil {
				return err
			}
			continue
		}
		if err := w.enterHere(); err != nil {
			return err
		}
		w.advance()
		if w.err != nil {
			return w.err
		}
	}
	return nil
}

// enterHere resolves the entries of the current epoch.
func (w *worker) enterHere() error {
	if w.entered {
		return nil
	}
	if err := w.enter(w.epochs[w.epoch]); err != nil {
		return err
	}
	w.freeze(w.epoch)
	return w.err
}
