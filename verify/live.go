// Live stores: the kernel writes to them while they are judged.
//
// Outside a merge, the kernel changes an active store in one place only: the
// area that is not full yet. Earlier areas were committed full and never
// change, and the kernel zeroes the next area before it commits one full
// (persistent_commit_exception in dm-snap-persistent.c). So with a copy of that
// one area, the rest does not change. A merge goes the other way: it clears
// records from the end of the list.

package verify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// Moment is what the kernel says about an active store at one moment.
type Moment struct {
	// Status is the status line of the snapshot, or of the merge.
	Status string
	// Metadata is the third figure of the status line; 0 if there is none.
	Metadata cow.Sectors
	// Quiet says that, at some moment after the status line was read, nothing
	// was in flight on the origin and its snapshots and no merge was at work.
	// So everything allocated before is committed. It is false if unknown.
	Quiet bool
	// Leaky says that this kernel commits exceptions in the order in which
	// copies finish: a chunk allocated earlier may be committed later.
	Leaky bool
	// Merging says that a merge has been clearing records: it may explain
	// chunks that no exception names.
	Merging bool
}

// Live says how an active store was read.
type Live struct {
	// Status is the status line after the store was read.
	Status string `json:"status"`
	// Attempts is how often the changing part was read.
	Attempts int `json:"attempts"`
	// Settled says that the store did not change: nothing was in flight before
	// and after the read, and the status line was the same. If it is false, the
	// figures are from some moment in between.
	Settled bool `json:"settled"`
	// InFlightChunks are the chunks that no exception names but that are not
	// known to be leaks: they may be copies in flight or, in a merge, already
	// merged.
	InFlightChunks uint64 `json:"in_flight_chunks"`
	// Merging says that a merge was or had been at work on the store.
	Merging bool `json:"merging"`
}

const (
	liveAttempts  = 12
	livePause     = 10 * time.Millisecond // before the second attempt; then doubled
	livePauseMost = 500 * time.Millisecond
	// mostFrozen is the largest area to copy, in bytes. Larger ones are read in
	// place.
	mostFrozen = 16 << 20
)

// verifyLive judges a store while the kernel may write to it.
func verifyLive(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*Report, error) {
	f := &freezer{r: r, size: size, look: opt.Live}
	frozen, err := f.freeze(ctx)
	if err != nil {
		return nil, err
	}
	opt.undecided = f.undecided()
	report, err := verifyOnce(ctx, frozen, size, opt)
	if err == nil && (frozen.area == nil || f.after.Merging) { // the parts not copied must not have changed until now
		if err = f.lookAgain(ctx); err != nil {
			return nil, err
		}
		if f.undecided() && !opt.undecided {
			opt.undecided = true
			report, err = verifyOnce(ctx, frozen, size, opt)
		}
	}
	if report == nil {
		return nil, err
	}
	live := Live{Status: f.after.Status, Attempts: f.attempts, Settled: f.settled, Merging: f.after.Merging}
	if report.Live != nil {
		live.InFlightChunks = report.Live.InFlightChunks
	}
	report.Live = &live
	report.Verdict = liveVerdict(report)
	return report, err
}

// liveVerdict is the verdict on a live store. It ignores what may be the
// kernel's work in progress: an area being written looks like a record after
// the terminator.
func liveVerdict(r *Report) Verdict {
	switch moving := !r.Live.Settled; {
	case r.Verdict == Clean && r.Live.InFlightChunks > 0,
		r.Verdict == Stale && (moving || r.Live.InFlightChunks > 0):
		return Unsettled
	}
	return r.Verdict
}

// freezer copies the changing area of a live store.
type freezer struct {
	r    io.ReaderAt
	size int64
	look func(context.Context) (Moment, error)

	attempts int
	after    Moment // the last one asked for
	settled  bool   // the last copy was made while the store did not change
}

// undecided reports whether a chunk that no exception names may be something
// other than a leak: its exception may come later, or a merge has removed it.
func (f *freezer) undecided() bool { return f.after.Merging || f.after.Leaky && !f.settled }

// freeze copies the changing area at a moment when the store does not change
// or, if there is none within a few seconds, at any moment.
func (f *freezer) freeze(ctx context.Context) (*frozen, error) {
	if err := f.lookAgain(ctx); err != nil {
		return nil, err
	}
	var last []byte
	pause := livePause
	for f.attempts = 1; ; f.attempts++ {
		before := f.after
		out, err := f.copyTail(ctx, before)
		if err != nil {
			return nil, err
		}
		if err := f.lookAgain(ctx); err != nil {
			return nil, err
		}
		// A merge at work is never quiet. Two equal copies show at least
		// that neither was made in the middle of a write.
		same := f.after.Merging && before.Status == f.after.Status && last != nil && bytes.Equal(last, out.area)
		if f.settled || same || out.area == nil || f.attempts == liveAttempts {
			return out, nil
		}
		last = out.area
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(2*pause, livePauseMost)
	}
}

// lookAgain asks for the current moment. The parts not copied did not change if
// the store was quiet before and is quiet now.
func (f *freezer) lookAgain(ctx context.Context) error {
	before := f.after
	now, err := f.look(ctx)
	if err != nil {
		return fmt.Errorf("the snapshot's status: %w", err)
	}
	f.after = now
	f.settled = before.Quiet && now.Quiet && before.Status == now.Status
	return nil
}

// copyTail copies the first area that is not full, starting at the one that the
// status line gives. It reads each area after the previous one, so as not to
// see content from before an area was zeroed. It copies nothing if the store
// cannot be read.
func (f *freezer) copyTail(ctx context.Context, m Moment) (*frozen, error) {
	out := &frozen{r: f.r}
	s, err := store.Open(f.r, f.size)
	if err != nil {
		return out, nil // Verify says why
	}
	g, areas := s.Geometry(), s.Bounds().Areas()
	if g.ChunkBytes() > mostFrozen {
		return out, nil
	}
	area := uint64(0)
	if current := uint64(m.Metadata / g.ChunkSectors()); current > 2 { // (current area + 2) chunks
		area = current - 2
	}
	buf := make([]byte, g.ChunkBytes())
	for ; area < areas; area++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		offset, _ := g.Offset(g.AreaChunk(area)) // an area of the device
		if n, _ := f.r.ReadAt(buf, int64(offset)); n < len(buf) {
			return out, nil // Verify says why, part by part
		}
		if hasTerminator(buf) {
			out.area, out.at = buf, int64(offset)
			return out, nil
		}
	}
	return out, nil
}

func hasTerminator(records []byte) bool {
	for _, e := range cow.Exceptions(records) {
		if e.Terminates() {
			return true
		}
	}
	return false
}

// frozen reads a store with a copy in place of one area.
type frozen struct {
	r    io.ReaderAt
	area []byte // nil if nothing was copied
	at   int64  // its offset
}

// ReadAt implements io.ReaderAt.
func (f *frozen) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	if from, to := max(off, f.at), min(off+int64(n), f.at+int64(len(f.area))); from < to {
		copy(p[from-off:to-off], f.area[from-f.at:])
	}
	return n, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
