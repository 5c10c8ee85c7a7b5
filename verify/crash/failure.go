// Failures: the first of each kind, minimised and described.

package crash

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// failing reports whether an outcome fails in a certain way.
type failing func(outcome) bool

func leaks(o outcome) bool    { return o.leaked > 0 }
func corrupts(o outcome) bool { return o.corrupt }
func breaks(o outcome) bool   { return o.broken > 0 }
func loses(o outcome) bool    { return o.lost }

// Where says in words where in the log a failure is.
func (f *Failure) Where() string {
	if f.Entry < 0 {
		return "before the first entry"
	}
	return fmt.Sprintf("at entry %d", f.Entry)
}

// keep records the first failure of a kind, minimised, and the first of all.
func (v *visitor) keep(first **Failure, fails failing, o outcome) {
	if *first != nil {
		return
	}
	*first = v.smallest(fails, o)
	if v.report.FirstFailure == nil {
		v.report.FirstFailure = *first
	}
}

// outcome judges the state that the disk is in, and counts nothing.
func (v *visitor) outcome() outcome {
	var all outcome
	for i, s := range v.stores {
		if s.frozen {
			all.add(i, s)
		}
	}
	if v.above != nil {
		_, _, all.lost = v.above.lost(v.epoch)
	}
	return all
}

// smallest drops choices, the last one first, as long as the state fails in the
// same way, and describes the rest. It leaves the disk as it was.
func (v *visitor) smallest(fails failing, o outcome) *Failure {
	r := v.epoch
	state, on := slices.Clone(r.state), slices.Clone(r.on)
	kept := slices.Clone(r.state)
	for n := len(kept) - 1; n >= 0; n-- {
		if was := kept[n]; was != none {
			kept[n] = none
			if r.settle(kept); !fails(v.outcome()) {
				kept[n] = was
			}
		}
	}
	if r.settle(kept); !fails(v.outcome()) { // a torn copy, which picks do not show
		v.restore(state, on)
	}
	f := v.describe()
	v.restore(state, on)
	return f
}

// restore brings the disk of the current epoch back to a state.
func (v *visitor) restore(state []pick, on []bool) {
	v.epoch.settle(state)
	for i := range on {
		v.epoch.setPiece(i, on[i])
	}
}

// describe says what is wrong with the state that the disk is in.
func (v *visitor) describe() *Failure {
	name := v.epoch.name()
	f := &Failure{State: name.String(), Entry: name.Last()}
	for i, s := range v.stores {
		d := s.verdict()
		if !s.frozen || !d.corrupt && d.leaked == 0 && d.broken == 0 {
			continue
		}
		f.Store = i
		f.Why = s.explain(d)
		f.LeakedChunks = d.leaked
		f.AllocatedSectors = s.allocated()
		break
	}
	if v.above != nil && f.Why == "" {
		if block, mark, lost := v.above.lost(v.epoch); lost {
			f.Why = v.above.explain(block, mark)
		}
	}
	return f
}

// explain says in a sentence what is wrong with a store.
func (s *store) explain(d verdict) string {
	var why []string
	switch {
	case d.state == absent:
		return "the header is gone, of a store that was there before"
	case d.state == alien:
		return "the header is of another version or chunk size"
	case d.beyond:
		why = append(why, fmt.Sprintf("an exception names chunk %d, when the device had %s", s.reaches()-1, count.Of(s.chunksAt(s.end-1), "chunk")))
	case d.truncated:
		why = append(why, "the list of exceptions continues beyond the device")
	}
	if d.corrupt {
		for code, n := range s.ledger.Counts() {
			why = append(why, fmt.Sprintf("%s: %d", code, n))
		}
		slices.Sort(why)
	}
	if d.leaked > 0 && !d.corrupt {
		why = append(why, fmt.Sprintf("%s below the next free one (%d) that no exception names: %d bytes leaked", count.Of(d.leaked, "chunk"), s.ledger.NextFree(), int64(d.leaked)*s.geometry().ChunkBytes()))
	}
	if d.broken > 0 {
		why = append(why, s.explainImage(d.broken))
	}
	return strings.Join(why, "; ")
}

// explainImage names the first chunk that the image shows wrongly.
func (s *store) explainImage(broken int) string {
	var first *originChunk
	for _, o := range s.originChunks {
		if o.bad > 0 && (first == nil || o.number < first.number) {
			first = o
		}
	}
	where := "no exception names it, and the origin has changed"
	if at := first.now(); at != nil {
		where = fmt.Sprintf("it is read from chunk %d of the COW store, which holds something else", at.number)
		if !s.lenient(s.opt) && !s.opt.ReadOnlySnapshot && s.known[cow.Exception{Old: first.number, New: at.number}].content == otherContent {
			where += " (nothing in the log shows a write to the snapshot)"
		}
	}
	return fmt.Sprintf("the snapshot shows something other than the frozen image in %s, the first of them chunk %d: %s", count.Of(uint64(broken), "chunk"), first.number, where)
}
