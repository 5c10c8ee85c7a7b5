// Rest: the further passes over a store whose chunks are too scattered for the
// first pass.

package chunkset

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// Rest answers what a first pass could not. Each pass is: Next, Take for all
// exceptions that the first pass took, in the same order, and End.
type Rest struct {
	bounds cow.Bounds
	taken  uint64 // exceptions of the current pass
	// What the current pass does; nil if it does not do that.
	gapping             *gaps
	sieving             *sieve
	siftCOW, siftOrigin bool

	gaps   *gaps  // of the COW device; nil if nothing is left to find
	sieve  *sieve // of the origin; the same
	cow    suspects
	origin suspects
	// The first pass reported the repetitions of this many exceptions.
	cowTold, originTold uint64
	arena               *arena
}

// The suspects' shares of the memory, in sixty-fourths. The rest is for the
// sieve or for the gaps.
const (
	shares       = 64
	originShares = 5
	cowShares    = 1
)

// Rest returns the passes for what this pass has not answered. They take over
// the memory of this pass. Gaps are wanted in [first, end). A complete pass
// leaves nothing to find.
func (s *Seen) Rest(first, end cow.Chunk) *Rest {
	bytes := s.arena.words * 8
	r := &Rest{
		bounds: s.bounds, arena: s.arena, cowTold: s.cowTold, originTold: s.originTold,
		cow: newSuspects(bytes * cowShares / shares), origin: newSuspects(bytes * originShares / shares),
	}
	if s.cowLost() {
		r.gaps = newGaps(first, end, s.highest, &r.cow)
	}
	if s.origin.lost {
		r.sieve = newSieve(s.exceptions, &r.origin)
	}
	s.cow.lose()
	s.metadata.lose()
	s.origin.lose()
	return r
}

// Next begins a pass. It returns false if no more passes are needed.
func (r *Rest) Next() bool {
	r.taken, r.sieving, r.gapping = 0, nil, nil
	r.siftCOW, r.siftOrigin = r.cow.prepare(), r.origin.prepare()
	memory := r.arena.take(r.arena.words / shares * (shares - originShares - cowShares))
	if r.sieve != nil && !r.siftOrigin {
		if r.sieve.begin(memory) {
			r.sieving, memory = r.sieve, nil
		} else {
			r.sieve = nil
		}
	}
	if r.gaps != nil && !r.siftCOW && r.gaps.begin(memory) {
		r.gapping = r.gaps
	}
	return r.sieving != nil || r.gapping != nil || r.siftCOW || r.siftOrigin
}

// Last reports whether the current pass is the last, as far as is known.
func (r *Rest) Last() bool {
	return r.sieving == nil && (r.gaps == nil || r.gapping != nil && r.gapping.to >= r.gaps.end)
}

// Take takes the exceptions in records. It calls repeated for those that
// repeat a chunk and were not reported by the first pass.
func (r *Rest) Take(records []byte, repeated func(slot int, e cow.Exception, onCOW, onOrigin bool)) {
	n := uint64(len(records)) / cow.ExceptionSize
	if r.gapping != nil {
		r.gapping.takeNew(records, r.bounds)
	}
	if r.sieving != nil {
		r.sieving.takeOld(records)
	}
	if r.siftCOW || r.siftOrigin {
		r.sift(records, repeated)
	}
	r.taken += n
}

func (r *Rest) sift(records []byte, repeated func(slot int, e cow.Exception, onCOW, onOrigin bool)) {
	for slot := range len(records) / cow.ExceptionSize {
		e := cow.DecodeException(records[slot*cow.ExceptionSize:])
		k := r.taken + uint64(slot)
		onCOW := r.siftCOW && r.cow.mayHave(mix(uint64(e.New))) && r.bounds.OnDevice(e.New) && r.cow.again(mix(uint64(e.New))) && k >= r.cowTold
		onOrigin := r.siftOrigin && r.origin.mayHave(mix(uint64(e.Old))) && r.origin.again(mix(uint64(e.Old))) && k >= r.originTold
		if onCOW || onOrigin {
			repeated(slot, e, onCOW, onOrigin)
		}
	}
}

// End ends a pass. It calls yield for the gaps it found, which are above those
// of earlier passes. Neighbouring gaps may touch.
func (r *Rest) End(yield func(first, end cow.Chunk)) {
	if r.siftCOW {
		r.cow.reset()
	}
	if r.siftOrigin {
		r.origin.reset()
	}
	if r.sieving != nil {
		r.sieving.finish()
	}
	if r.gapping != nil {
		r.gapping.finish(yield)
	}
}
