// Adding up the results of workers and the reports of shards.

package crash

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// result is what was found in an item.
type result struct {
	report   *Report
	whole    bool // the item was judged to its end
	explored int  // the entry that it reaches
	// For a part of an epoch: its epoch, what the judge saw, and whether it
	// is the last part.
	epoch    int
	distinct map[uint64]struct{}
	last     bool
}

// collector joins results in the order of the log.
type collector struct {
	sum      *Report
	next     int
	pending  map[int]result
	cut      bool // an item was not judged to its end
	distinct map[uint64]struct{}
}

func newCollector(sum *Report) *collector {
	return &collector{sum: sum, pending: map[int]result{}}
}

// add takes the result of an item.
func (c *collector) add(number int, r result) {
	c.pending[number] = r
	for {
		r, ok := c.pending[c.next]
		if !ok {
			return
		}
		delete(c.pending, c.next)
		c.next++
		c.fold(r)
	}
}

// finish takes the remaining results after an interruption.
func (c *collector) finish() {
	var left []int
	for number := range c.pending {
		left = append(left, number)
	}
	slices.Sort(left)
	c.cut = c.cut || len(left) > 0
	for _, number := range left {
		c.fold(c.pending[number])
	}
	c.pending = nil
	c.closeEpoch()
}

func (c *collector) fold(r result) {
	c.sum.add(r.report)
	if r.distinct != nil {
		if c.distinct == nil {
			c.distinct = map[uint64]struct{}{}
		}
		for seen := range r.distinct {
			if len(c.distinct) < maxDistinct {
				c.distinct[seen] = struct{}{}
			}
		}
		if r.last {
			c.closeEpoch()
		}
	}
	if c.cut = c.cut || !r.whole; !c.cut && r.last {
		c.sum.ExploredEntries = r.explored
	}
}

func (c *collector) closeEpoch() {
	c.sum.Coverage.DistinctStates += uint64(len(c.distinct))
	c.distinct = nil
}

// add adds the results of other epochs, or of another part of one.
func (r *Report) add(o *Report) {
	r.States += o.States
	r.LeakingStates += o.LeakingStates
	r.CorruptStates += o.CorruptStates
	r.BrokenImageStates += o.BrokenImageStates
	r.StaleStates += o.StaleStates
	r.AbandonedStates += o.AbandonedStates
	r.LostWriteStates += o.LostWriteStates
	r.SecondCrash.add(o.SecondCrash)
	r.Coverage.add(&o.Coverage)
	r.Checks.add(&o.Checks)
	if w := o.Worst; w.Leaked > r.Worst.Leaked || w.Leaked == r.Worst.Leaked && w.Leaked > 0 && durableOf(w.State) < durableOf(r.Worst.State) {
		r.Worst = w
	}
	for _, first := range []struct{ mine, other **Failure }{
		{&r.FirstFailure, &o.FirstFailure}, {&r.FirstLeak, &o.FirstLeak}, {&r.FirstCorrupt, &o.FirstCorrupt}, {&r.FirstBroken, &o.FirstBroken},
		{&r.FirstLost, &o.FirstLost},
	} {
		earlier(first.mine, *first.other)
	}
	r.Windows = addWindows(r.Windows, o.Windows)
	if len(r.Epochs) < mostEpochs {
		r.Epochs = addWindows(r.Epochs, o.Epochs)
	}
}

func (c *SecondCrash) add(o *SecondCrash) {
	c.From += o.From
	c.States += o.States
	c.Leaking += o.Leaking
	c.Corrupt += o.Corrupt
	c.Broken += o.Broken
	earlier(&c.FirstFailure, o.FirstFailure)
	earlier(&c.FirstCorrupt, o.FirstCorrupt)
	earlier(&c.FirstBroken, o.FirstBroken)
}

func (c *Coverage) add(o *Coverage) {
	c.Epochs += o.Epochs
	c.ExhaustiveEpochs += o.ExhaustiveEpochs
	c.SampledEpochs += o.SampledEpochs
	c.LargestEpoch = max(c.LargestEpoch, o.LargestEpoch)
	c.SampledStates += o.SampledStates
	c.TornCommits += o.TornCommits
	c.TornWrites += o.TornWrites
	c.DistinctStates += o.DistinctStates
}

// earlier keeps the failure in the earlier epoch.
func earlier(mine **Failure, other *Failure) {
	if other != nil && (*mine == nil || durableOf(other.State) < durableOf((*mine).State)) {
		*mine = other
	}
}

// mostEpochs is about how many epochs are kept for pictures.
const mostEpochs = 1 << 16

// addWindows adds windows, and joins those of the same epoch.
func addWindows(list, more []Window) []Window {
	for _, w := range more {
		at, known := slices.BinarySearchFunc(list, w.From, func(have Window, from int) int { return have.From - from })
		if !known {
			list = slices.Insert(list, at, w)
			continue
		}
		have := &list[at]
		have.States += w.States
		have.Leaking += w.Leaking
		have.Corrupt += w.Corrupt
		have.Broken += w.Broken
		have.Lost += w.Lost
		have.Leaked = max(have.Leaked, w.Leaked)
	}
	return list
}

// ErrCombine is wrapped by errors for reports that cannot be combined.
var ErrCombine = errors.New("cannot combine the reports")

// Combine adds up the reports of all shards of one exploration. The result
// equals the report of a single run; its time is the sum over all shards. The
// error wraps ErrCombine if a shard is missing, duplicated or interrupted, or
// if the reports are of different logs or options.
func Combine(reports []*Report) (*Report, error) {
	if len(reports) == 0 {
		return nil, fmt.Errorf("%w: there are none", ErrCombine)
	}
	first := reports[0]
	sum := *first
	sum.Shard = Shard{}
	sum.Worst, sum.SecondCrash, sum.Windows = &Worst{Entry: -1}, &SecondCrash{}, []Window{}
	sum.States, sum.LeakingStates, sum.CorruptStates, sum.BrokenImageStates, sum.StaleStates, sum.AbandonedStates = 0, 0, 0, 0, 0, 0
	sum.LostWriteStates, sum.FirstLost = 0, nil
	sum.FirstFailure, sum.FirstLeak, sum.FirstCorrupt, sum.FirstBroken, sum.Timeline = nil, nil, nil, nil, nil
	sum.Epochs, sum.Drawn = nil, nil
	sum.Coverage = Coverage{FirstEntry: first.Coverage.FirstEntry, BlindWrites: first.Coverage.BlindWrites}
	sum.Checks = Checks{Command: first.Checks.Command, View: first.Checks.View, Failures: []CheckFailure{}}
	sum.Seconds = 0
	seen := map[int]bool{}
	for i, r := range reports {
		if err := r.joins(first); err != nil {
			return nil, fmt.Errorf("%w: report %d %w", ErrCombine, i+1, err)
		}
		if seen[r.Shard.Index] {
			return nil, fmt.Errorf("%w: shard %v is duplicated", ErrCombine, r.Shard)
		}
		seen[r.Shard.Index] = true
		sum.add(r)
		sum.Seconds += r.Seconds
	}
	for i := 1; i <= first.Shard.Of; i++ {
		if !seen[i] {
			return nil, fmt.Errorf("%w: shard %v is missing", ErrCombine, Shard{i, first.Shard.Of})
		}
	}
	if err := sum.pictureFrom(reports); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCombine, err)
	}
	return &sum, nil
}

// pictureFrom takes what can be drawn of the whole from its parts, if all of them
// kept it.
func (r *Report) pictureFrom(parts []*Report) error {
	r.Pictured = nil
	for _, p := range parts {
		if p.Pictured == nil {
			return nil
		}
	}
	states := map[string][]DrawnEntry{}
	for i, p := range parts {
		moments, err := p.moments()
		if err == nil && i > 0 && p.Pictured.Timeline != parts[0].Pictured.Timeline {
			err = errPictures
		}
		if err != nil {
			return fmt.Errorf("report %d %w", i+1, err)
		}
		r.Timeline = moments
		if len(r.Epochs) < mostEpochs {
			r.Epochs = addWindows(r.Epochs, p.Pictured.Epochs)
		}
		for _, s := range p.Pictured.States {
			states[s.State] = s.Entries
		}
	}
	r.Drawn = func(state string) []DrawnEntry { return states[state] }
	return nil
}

// joins returns why a report is not from the same exploration as first, or nil.
func (r *Report) joins(first *Report) error {
	switch {
	case r.Shard.Of < 1 || r.Shard.Index < 1 || r.Shard.Index > r.Shard.Of:
		return errors.New("is not of a shard")
	case r.Shard.Of != first.Shard.Of:
		return fmt.Errorf("is one of %s, the first one of %d", count.Of(r.Shard.Of, "shard"), first.Shard.Of)
	case r.ExploredEntries < r.Entries:
		return errors.New("was interrupted")
	case r.Worst == nil || r.SecondCrash == nil:
		return errors.New("is incomplete")
	case r.LogID != first.LogID, r.Entries != first.Entries, r.Commits != first.Commits, r.LintViolations != first.LintViolations, r.CommonMarks != first.CommonMarks,
		r.Kernel != first.Kernel, r.Checks.Command != first.Checks.Command, r.Checks.View != first.Checks.View,
		r.Coverage.FirstEntry != first.Coverage.FirstEntry, r.Coverage.BlindWrites != first.Coverage.BlindWrites,
		!slices.Equal(r.Doubts, first.Doubts), !slices.Equal(r.Warnings, first.Warnings), !slices.Equal(r.Violations, first.Violations):
		return errors.New("is of another log, or was made with other options")
	}
	return nil
}
