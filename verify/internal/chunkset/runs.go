// Runs: the ranges of one device that contain chunks, and those that do not.

package chunkset

import (
	"encoding/binary"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Runs puts the chunks below an end in order, in as many passes over them as
// the memory requires: one, for almost all stores. Each pass is: Next, Take or
// TakeOld for all chunks, and then either Named or Absent.
type Runs struct {
	arena *arena
	end   cow.Chunk // chunks from here on are skipped
	first bool      // the current pass is the first
	begun bool
	set   set
	gaps  *gaps // of later passes
	high  cow.Chunk
}

// NewRuns is for chunks below end. It uses about memoryBytes.
func NewRuns(end cow.Chunk, memoryBytes uint64) *Runs {
	r := &Runs{arena: newArena(memoryBytes), end: end}
	r.set = set{arena: r.arena}
	r.arena.users = []user{&r.set}
	return r
}

// Next begins a pass. It returns false if no more passes are needed.
func (r *Runs) Next() bool {
	if !r.begun {
		r.begun, r.first = true, true
		return true
	}
	if r.first {
		r.first = false
		if !r.set.lost {
			return false
		}
		r.gaps = newGaps(0, r.end, 0, nil)
		r.gaps.end = min(r.end, r.high+1)
	}
	return r.gaps != nil && r.gaps.begin(r.arena.take(r.arena.words))
}

// Take notes chunks.
func (r *Runs) Take(chunks ...cow.Chunk) {
	if !r.first {
		for part := range slices.Chunk(chunks, batch) {
			r.gaps.take(part)
		}
		return
	}
	for _, c := range chunks {
		if c < r.end {
			r.high = max(r.high, c)
			r.set.add(c)
		}
	}
}

// TakeOld notes the origin chunks of records, and returns the number of those
// that are not below the end.
func (r *Runs) TakeOld(records []byte) (beyond uint64) {
	if r.first {
		r.high, beyond = r.set.takeOld(records, r.end, r.high)
		return beyond
	}
	var chunks [batch]cow.Chunk
	for len(records) >= cow.ExceptionSize {
		n := 0
		for ; n < batch && len(records) >= cow.ExceptionSize; records = records[cow.ExceptionSize:] {
			c := cow.Chunk(binary.LittleEndian.Uint64(records))
			if c >= r.end {
				beyond++
				continue
			}
			chunks[n] = c
			n++
		}
		r.gaps.take(chunks[:n])
	}
	return beyond
}

// Absent ends a pass. It calls yield for the runs of chunks below the end that
// were not taken and that are above those of earlier passes. Neighbouring runs
// may touch.
func (r *Runs) Absent(yield func(first, end cow.Chunk)) {
	switch {
	case !r.first:
		if r.gaps.finish(yield); r.gaps.at >= r.gaps.end && r.gaps.end < r.end {
			yield(r.gaps.end, r.end)
		}
	case !r.set.lost:
		r.set.absent(0, r.end, yield)
	}
}

// Named ends a pass. It calls yield for the runs of chunks that were taken and
// that are above those of earlier passes. Neighbouring runs may touch.
func (r *Runs) Named(yield func(first, end cow.Chunk)) {
	if r.first {
		if !r.set.lost {
			r.set.named(yield)
		}
		return
	}
	from := r.gaps.at
	r.Absent(func(first, end cow.Chunk) {
		if from < first {
			yield(from, first)
		}
		from = end
	})
	if from < r.gaps.at {
		yield(from, r.gaps.at)
	}
}
