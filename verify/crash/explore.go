// Explore: all legal crash states of a log, judged.

package crash

import (
	"context"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Explore enumerates the crash states of a log and judges each of them.
// Everything wrong with them is in the report. On an error there is no report;
// but if the error is the context's, there may be a report that covers part of
// the log.
func Explore(ctx context.Context, l *logwrites.Log, opt Options) (*Report, error) {
	begun := time.Now()
	x, err := survey(ctx, l, &opt)
	if ctx.Err() != nil {
		return newReport(l, &opt), ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	err = x.run(ctx)
	x.report.Seconds = time.Since(begun).Seconds()
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return x.report, ctx.Err()
}

// exploration is the work on one log, shared by its workers.
type exploration struct {
	*history
	opt    *Options
	facts  []*facts // by store
	upper  *upper   // nil if no layer above was logged
	report *Report

	mutex   sync.Mutex
	work    *schedule
	results *collector
	states  uint64 // judged so far
	err     error  // the first of a worker
}

// survey prepares an exploration: it indexes the log, and walks through it once
// to collect the facts needed to judge states.
func survey(ctx context.Context, l *logwrites.Log, opt *Options) (*exploration, error) {
	if err := opt.prepare(ctx, l); err != nil {
		return nil, err
	}
	b := newBase(opt.Base, opt.BaseSize)
	lay, err := newLayout(l, b, opt)
	if err != nil {
		return nil, err
	}
	h, err := newHistory(l, b, lay, opt.interrupted)
	if err != nil {
		return nil, err
	}
	x := &exploration{history: h, opt: opt, report: newReport(l, opt)}
	for range lay.stores {
		x.facts = append(x.facts, newFacts())
	}
	if opt.Upper != nil {
		if x.upper, err = newUpper(opt.Upper, opt.UpperView, h, opt.interrupted); err != nil {
			return nil, err
		}
		x.report.CommonMarks = len(x.upper.marks)
	}
	warnings, err := h.findFreezes(opt, x.facts)
	if err != nil {
		return nil, err
	}
	ground, err := newExplorer(h, opt, x.facts)
	if err != nil {
		return nil, err
	}
	lint, err := ground.lint()
	if err != nil {
		return nil, err
	}
	x.note(lint, warnings)
	return x, nil
}

// note copies the survey's findings into the report.
func (x *exploration) note(lint *linter, warnings []string) {
	r := x.report
	r.LogID = x.id()
	r.LintViolations, r.Violations = lint.count, lint.found
	r.Coverage.BlindWrites = lint.blind
	r.Warnings = append(r.Warnings, warnings...)
	r.Doubts = x.doubts()
	r.Timeline = x.timeline()
	r.Drawn = x.drawn
	for _, k := range x.kinds {
		if k == commits {
			r.Commits++
		}
	}
	if at := x.firstEpoch(); at < len(x.epochs) {
		r.Coverage.FirstEntry = x.epochs[at].from
	}
}

// firstEpoch is the first epoch in which a store is frozen.
func (x *exploration) firstEpoch() int {
	first := len(x.epochs)
	for _, f := range x.facts {
		if at := f.frozenBy(x.epochs); at >= 0 {
			first = min(first, at)
		}
	}
	return first
}

// run has workers judge all states.
func (x *exploration) run(ctx context.Context) error {
	x.work = newSchedule(x.history, x.opt, x.firstEpoch())
	x.results = newCollector(x.report)
	x.report.ExploredEntries = 0
	if first := x.firstEpoch(); first > 0 {
		x.report.ExploredEntries = x.epochs[first-1].to
	}
	var workers sync.WaitGroup
	for range x.opt.jobs() {
		workers.Go(func() {
			if err := x.workOn(ctx); err != nil {
				x.mutex.Lock()
				defer x.mutex.Unlock()
				if x.err == nil {
					x.err = err
				}
			}
		})
	}
	workers.Wait()
	x.results.finish()
	if x.err == nil && ctx.Err() == nil {
		x.report.ExploredEntries = x.log.Len()
	}
	return x.err
}

// timeline is what each entry is.
func (h *history) timeline() []Moment {
	moments := make([]Moment, len(h.kinds))
	for i, e := range h.log.Entries() {
		switch {
		case e.Flags&logwrites.Mark != 0:
			moments[i] = MarkMoment
		default:
			moments[i] = momentOf[h.kinds[i]]
		}
	}
	return moments
}

var momentOf = [...]Moment{
	elsewhere: OtherMoment, flushes: FlushMoment, commits: CommitMoment,
	metadata: MetadataMoment, copies: CopyMoment, origins: OriginMoment,
}

func newReport(l *logwrites.Log, opt *Options) *Report {
	r := &Report{
		Entries: l.Len(), Worst: &Worst{Entry: -1}, SecondCrash: &SecondCrash{},
		Windows: []Window{}, Doubts: []Doubt{}, Violations: []Violation{}, Checks: Checks{Failures: []CheckFailure{}}, Warnings: warningsOf(l), Kernel: opt.Expect, Shard: opt.Shard,
	}
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	if r.Kernel == "" {
		r.Kernel = allocator.Fixed
	}
	return r
}

// warningsOf are the log's warnings. That it breaks off is a doubt instead.
func warningsOf(l *logwrites.Log) []string {
	if l.Cut != "" {
		return nil
	}
	return l.Warnings()
}
