//go:build linux && kernel

// Broken logs: those of the kernel with one thing changed, which the explorer
// must find.

package crash_test

import (
	"bytes"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/crashtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// caught explores the log with a change, and expects a broken image or a corrupt
// store, and violations of a rule if one is named.
func (r *rig) caught(l *logwrites.Log, opt crash.Options, by change, rule crash.Rule) {
	r.t.Helper()
	report := r.explore(r.changed(l, opt, by), opt)
	if report.BrokenImageStates+report.CorruptStates == 0 {
		r.t.Errorf("none of %d states of the broken log is corrupt or shows a broken image", report.States)
	}
	if rule != "" && !slices.ContainsFunc(report.Violations, func(v crash.Violation) bool { return v.Rule == rule }) {
		r.t.Errorf("the broken log does not violate %q: %+v", rule, report.Violations)
	}
}

// changed returns a log with a change.
func (r *rig) changed(l *logwrites.Log, opt crash.Options, by change) *logwrites.Log {
	r.t.Helper()
	opt.Reorder, opt.Exhaustive = -1, 1 // only the timeline is wanted
	what := r.explore(l, opt).Timeline
	image, err := crashtest.Rewrite(l, func(entries []crashtest.Entry) []crashtest.Entry { return by(entries, what) })
	if err != nil {
		r.t.Fatal(err)
	}
	broken, err := logwrites.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		r.t.Fatal(err)
	}
	return broken
}

// change changes the entries of a log, given what each of them is.
type change func(entries []crashtest.Entry, what []crash.Moment) []crashtest.Entry

// unflushedCommit removes the flushes between a commit and the write before it:
// a store that commits without a flush. The commit is the one that is this part
// of all, from 0 to 1.
func unflushedCommit(part float64) change {
	return func(entries []crashtest.Entry, what []crash.Moment) []crashtest.Entry {
		commit := choose(what, crash.CommitMoment, part)
		first := commit
		for first > 0 && what[first-1] == crash.FlushMoment {
			first--
		}
		return slices.Delete(slices.Clone(entries), first, commit)
	}
}

// earlyWrite moves the write to the origin after a commit before the copy that
// was committed: an origin that does not wait for the store.
func earlyWrite(part float64) change {
	return func(entries []crashtest.Entry, what []crash.Moment) []crashtest.Entry {
		commit := choose(what, crash.CommitMoment, part)
		write := commit + slices.Index(what[commit:], crash.OriginMoment)
		copied := commit
		for copied > 0 && what[copied] != crash.CopyMoment {
			copied--
		}
		early := entries[write]
		entries = slices.Delete(slices.Clone(entries), write, write+1)
		return slices.Insert(entries, copied, early)
	}
}

// flippedBit changes one bit of what an entry of a kind writes.
func flippedBit(kind crash.Moment, part float64) change {
	return func(entries []crashtest.Entry, what []crash.Moment) []crashtest.Entry {
		n := choose(what, kind, part)
		entries = slices.Clone(entries)
		entries[n].Data = bytes.Clone(entries[n].Data)
		entries[n].Data[8] ^= 1 << 6
		return entries
	}
}

// lateMark moves a mark to the end of the log.
func lateMark(text string) change {
	return func(entries []crashtest.Entry, _ []crash.Moment) []crashtest.Entry {
		mark := slices.IndexFunc(entries, func(e crashtest.Entry) bool { return e.Flags&logwrites.Mark != 0 && e.Text == text })
		late := entries[mark]
		entries = slices.Delete(slices.Clone(entries), mark, mark+1)
		return slices.Insert(entries, len(entries)-1, late) // before the mark of the end
	}
}

// choose returns the entry of a kind that is this part of all of that kind, from
// 0 to 1.
func choose(what []crash.Moment, kind crash.Moment, part float64) int {
	var all []int
	for i, k := range what {
		if k == kind {
			all = append(all, i)
		}
	}
	return all[int(part*float64(len(all)-1))]
}
