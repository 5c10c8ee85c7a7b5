// Live stores: those that the kernel writes while they are judged.
//
// Outside a merge the kernel changes an active store at one place only: the
// area that is not full yet. Areas before it were committed full and stay as
// they are, and an area is zeroed before the one before it is committed full
// (persistent_commit_exception in dm-snap-persistent.c). So a copy of that one
// area makes the rest hold still. A merge goes the other way: it clears
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

// Moment is what the kernel says at one moment of a store that it has active.
type Moment struct {
	// Status is the status line of the snapshot, or of the merge.
	Status string
	// Metadata is the third figure of the status line, 0 where there is none.
	Metadata cow.Sectors
	// Quiet says that after the status line was read there was a moment at
	// which nothing was in flight on the origin and its snapshots, and no merge
	// at work: all that was allocated until then is committed. It is false
	// where nobody can tell.
	Quiet bool
	// Leaky says that this kernel commits exceptions in the order in which
	// copies finish, so that what was allocated earlier may come later.
	Leaky bool
	// Merging says that a merge has been clearing records: chunks that no
	// exception names may be its work.
	Merging bool
}

// Live says how a store was read that the kernel has active.
type Live struct {
	// Status is the status line after the store was read.
	Status string `json:"status"`
	// Attempts is how often the part that changes was read.
	Attempts int `json:"attempts"`
	// Settled says that the store held still: nothing was in flight before and
	// after it was read, and the status line was the same. Where it is false the
	// figures are of some moment on the way.
	Settled bool `json:"settled"`
	// InFlightChunks are the chunks that no exception names and that may be
	// copies in flight or, in a merge, merged already: no leaks, as far as
	// anybody can tell now.
	InFlightChunks uint64 `json:"in_flight_chunks"`
	// Merging says that a merge was at work on the store, or had been.
	Merging bool `json:"merging"`
}

const (
	liveAttempts  = 12
	livePause     = 10 * time.Millisecond // before the second attempt; doubled for each further one
	livePauseMost = 500 * time.Millisecond
	// mostFrozen is the largest area that is copied, in bytes. Larger ones are
	// read as they pass.
	mostFrozen = 16 << 20
)

// verifyLive judges a store that the kernel writes to.
func verifyLive(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*Report, error) {
	f := &freezer{r: r, size: size, look: opt.Live}
	frozen, err := f.freeze(ctx)
	if err != nil {
		return nil, err
	}
	opt.undecided = f.undecided()
	report, err := verifyOnce(ctx, frozen, size, opt)
	if err == nil && (frozen.area == nil || f.after.Merging) { // what was not copied has to hold still until now
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

// liveVerdict is the verdict on a live store: what may be the kernel's work of
// the moment is held against no store. A write of an area that is under way
// looks like a record behind the terminator.
func liveVerdict(r *Report) Verdict {
	switch moving := !r.Live.Settled; {
	case r.Verdict == Clean && r.Live.InFlightChunks > 0,
		r.Verdict == Stale && (moving || r.Live.InFlightChunks > 0):
		return Unsettled
	}
	return r.Verdict
}

// freezer copies the area of a live store that changes.
type freezer struct {
	r    io.ReaderAt
	size int64
	look func(context.Context) (Moment, error)

	attempts int
	after    Moment // the last that was asked for
	settled  bool   // the last copy was made while the store held still
}

// undecided says that nobody can tell what no exception names: leaked, or to be
// named soon, or no longer.
func (f *freezer) undecided() bool { return f.after.Merging || f.after.Leaky && !f.settled }

// freeze copies the area that changes at a moment at which the store holds
// still, or, where there is none within a few seconds, at some moment.
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
		// A merge that is at work is never quiet: two copies that are the same
		// show at least that none was made in the middle of a write.
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

// lookAgain asks for the present moment. What is not copied held still if it
// did so before and does so now.
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

// copyTail copies the first area that is not full, from the one on that the
// status line says is being filled. Each is read after the one before it: what
// stands in an area before it is zeroed must not be seen. Nothing is copied of
// a store that cannot be read.
func (f *freezer) copyTail(ctx context.Context, m Moment) (*frozen, error) {
	out := &frozen{r: f.r}
	s, err := store.Open(f.r, f.size)
	if err != nil {
		return out, nil // Verify tells why
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
			return out, nil // Verify tells why, part by part
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

// frozen reads a store, one area of which is a copy.
type frozen struct {
	r    io.ReaderAt
	area []byte // nil where nothing was copied
	at   int64  // its offset
}

// ReadAt is io.ReaderAt.
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
