// Explore: all legal crash states of a log, judged.

package crash

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Explore enumerates the crash states of a log and judges each of them. What
// is wrong with them is in the report. An error means that there is no report,
// or, where it is the context's, that it covers a part of the log, or nothing.
func Explore(ctx context.Context, l *logwrites.Log, opt Options) (*Report, error) {
	begun := time.Now()
	if opt.Expect == "" {
		opt.Expect = allocator.Fixed
	}
	if len(opt.COW) > maxStores {
		return nil, fmt.Errorf("%d COW stores are more than %d", len(opt.COW), maxStores)
	}
	opt.mark, opt.stop = -1, ctx.Err
	if opt.FromMark != "" {
		i, ok := l.FindMark(opt.FromMark)
		if !ok {
			return nil, fmt.Errorf("the log has no mark %q; its marks are: %s", opt.FromMark, marksOf(l))
		}
		opt.mark = i
	}
	x, err := newExplorer(l, opt)
	if ctx.Err() != nil {
		return newReport(l, opt), ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	v := &visitor{explorer: x, report: newReport(l, opt)}
	v.report.Timeline = x.timeline()
	x.findFreezes()
	lint := x.lint()
	if err := ctx.Err(); err != nil {
		return newReport(l, opt), err
	}
	v.report.LintViolations, v.report.Violations = lint.count, lint.found
	v.report.Coverage.BlindWrites = lint.blind
	for _, st := range x.steps {
		if st.kind == commits {
			v.report.Commits++
		}
	}
	x.reset()
	err = v.explore(ctx)
	v.noteAssumptions()
	v.report.Seconds = time.Since(begun).Seconds()
	return v.report, err
}

// noteAssumptions says what the verdict rests on that the log does not tell.
func (v *visitor) noteAssumptions() {
	v.report.Doubts = v.doubts()
	if v.opt.Base == nil && v.report.FirstBroken != nil {
		v.warnf("no base image: the device is taken to have held zeros before the log's first entry")
	}
	v.report.Warnings = append(v.report.Warnings, v.warnings...)
}

// timeline is what each entry is.
func (x *explorer) timeline() []Moment {
	moments := make([]Moment, len(x.steps))
	for i, st := range x.steps {
		switch {
		case x.log.Entry(i).Flags&logwrites.Mark != 0:
			moments[i] = MarkMoment
		case st.kind == flushes:
			moments[i] = FlushMoment
		case st.kind == commits:
			moments[i] = CommitMoment
		case st.kind == metadata:
			moments[i] = MetadataMoment
		case st.kind == copies:
			moments[i] = CopyMoment
		case st.kind == origins:
			moments[i] = OriginMoment
		}
	}
	return moments
}

func newReport(l *logwrites.Log, opt Options) *Report {
	r := &Report{Schema: Schema, Entries: l.Len(), Worst: &Worst{Entry: -1}, SecondCrash: &SecondCrash{}, Windows: []Window{}, Doubts: []Doubt{}, Warnings: l.Warnings(), Kernel: opt.Expect}
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	return r
}

func marksOf(l *logwrites.Log) string {
	var marks []string
	for _, text := range l.Marks() {
		marks = append(marks, fmt.Sprintf("%q", text))
	}
	return strings.Join(marks, ", ")
}

// visitor judges the states that an explorer comes by.
type visitor struct {
	*explorer
	report   *Report
	epoch    *epoch
	distinct map[uint64]struct{} // what the judge saw, in this epoch
	second   *second
	window   Window // of the present epoch
	looked   uint64 // states at which it was last looked whether to stop
}

// explore goes through the epochs, from the one in which the first store is
// frozen.
func (v *visitor) explore(ctx context.Context) error {
	if v.opt.Crashes > 1 {
		v.second = newSecond(v)
	}
	begun := false
	for _, e := range v.epochs {
		v.epochStart, v.epochEnd = e.from, e.to
		v.freezeIn(e)
		if slices.ContainsFunc(v.stores, func(s *store) bool { return s.frozen }) {
			if !begun {
				begun, v.report.Coverage.FirstEntry = true, e.from
			}
			if v.visit(e); v.epoch.stopped {
				return ctx.Err()
			}
		}
		v.advance(e)
		if v.err != nil {
			return v.err
		}
		v.report.ExploredEntries = e.to
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.opt.Progress != nil {
			v.opt.Progress(e.to, len(v.steps), v.report.States)
		}
	}
	return nil
}

// advance makes an epoch durable.
func (v *visitor) advance(e interval) {
	for i := e.from; i < e.to; i++ {
		v.apply(i)
	}
	for _, s := range v.stores {
		s.settle()
	}
	for i := e.from; i < e.to; i++ {
		for _, w := range v.steps[i].writes {
			v.durable[w.cell] = v.disk.content[w.cell]
		}
	}
}

// visit enumerates one epoch.
func (v *visitor) visit(e interval) {
	for _, s := range v.stores {
		s.wasThere = s.state == valid && !v.removesHeader(s, e)
	}
	v.distinct = map[uint64]struct{}{}
	v.window = Window{From: e.from, To: e.to}
	before := *v.report
	defer v.closeWindow(&before)
	r := newEpoch(v.explorer, e, v.judge)
	v.epoch = r
	c := &v.report.Coverage
	c.Epochs++
	c.LargestEpoch = max(c.LargestEpoch, len(r.choices))
	if r.exhaustible(v.opt.exhaustive()) {
		c.ExhaustiveEpochs++
		r.exhaust(0, chain{})
	} else {
		c.SampledEpochs++
		r.prefixes()
		r.singles()
		visited := v.report.States
		r.sample(v.opt.reorder())
		c.SampledStates += v.report.States - visited
	}
	visited := v.report.States
	r.tears(v.opt.exhaustive())
	c.TornWrites += v.report.States - visited
	c.DistinctStates += uint64(len(v.distinct))
	r.settle(r.all(none))
}

// closeWindow keeps the epoch's window where something was found in it.
func (v *visitor) closeWindow(before *Report) {
	w, r := &v.window, v.report
	w.States = r.States - before.States
	w.Leaking = r.LeakingStates - before.LeakingStates
	w.Corrupt = r.CorruptStates - before.CorruptStates
	w.Broken = r.BrokenImageStates - before.BrokenImageStates
	if w.Leaking+w.Corrupt+w.Broken > 0 {
		r.Windows = append(r.Windows, *w)
	}
}

// removesHeader tells whether an entry of the epoch takes a store away.
func (v *visitor) removesHeader(s *store, e interval) bool {
	for _, st := range v.steps[e.from:e.to] {
		for _, w := range st.writes {
			if w.cell == s.header && s.readHeader(w.id) == absent {
				return true
			}
		}
	}
	return false
}

// judge looks at the state that the disk is in.
func (v *visitor) judge() {
	all := v.outcome()
	r := v.report
	r.States++
	if v.opt.Visit != nil {
		v.show()
	}
	if v.epoch.torn > 0 {
		r.Coverage.TornCommits++
	}
	_, known := v.distinct[all.seen]
	if !known {
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
	if v.second != nil && !known && !all.corrupt && !all.abandoned && all.broken == 0 {
		v.second.from(all)
	}
	v.lookUp()
}

// lookUp looks, every few thousand states, whether the epoch is to be broken
// off, and tells how far it is: an epoch can have any number of them.
func (v *visitor) lookUp() {
	judged := v.report.States + v.report.SecondCrash.States
	if judged-v.looked < 4096 {
		return
	}
	v.looked = judged
	v.epoch.stopped = v.epoch.stopped || v.opt.interrupted() != nil
	if v.opt.Progress != nil {
		v.opt.Progress(v.epochStart, len(v.steps), v.report.States)
	}
}

// show passes the state that the disk is in to Options.Visit.
func (v *visitor) show() {
	s := v.stores[0]
	d := s.verdict()
	v.opt.Visit(Judged{
		State: v.epoch.name, Valid: d.state == valid, Corrupt: d.corrupt, LeakedChunks: d.leaked,
		StaleRecords: d.stale, BrokenChunks: d.broken, AllocatedSectors: s.allocated(),
	})
}

// outcome is what the verdicts on all stores add up to.
type outcome struct {
	corrupt   bool
	abandoned bool
	leaked    uint64
	stale     uint64
	broken    int
	seen      uint64
}

func (o *outcome) add(i int, s *store) {
	d := s.verdict()
	o.corrupt = o.corrupt || d.corrupt
	o.abandoned = o.abandoned || d.state == abandoned
	o.leaked += d.leaked
	o.stale += d.stale
	o.broken += d.broken
	o.seen ^= mix(uint64(i), s.seen)
}
