// Live stores: those that the kernel writes while they are judged.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"
)

// Live says how a store was read that the kernel has active.
type Live struct {
	// Status is the snapshot's status line before and after the store was
	// read.
	Status string `json:"status"`
	// Attempts is how often the store was read.
	Attempts int `json:"attempts"`
	// Settled says that the status line did not change meanwhile. Where it is
	// false the kernel wrote, and the figures are of some moment on the way.
	Settled bool `json:"settled"`
}

// ErrMoving is wrapped by the error about a live store that changed each time
// it was read, so that nothing can be said of it.
var ErrMoving = errors.New("the kernel writes to the store")

const (
	liveAttempts  = 12
	livePause     = 10 * time.Millisecond // before the second attempt; doubled for each further one
	livePauseMost = 500 * time.Millisecond
)

// verifyLive judges a store that the kernel writes to. Areas are read while
// they are written, and in another order than they are written in, so that a
// store which is whole may look damaged: whatever speaks against the store is
// believed only if the store says the same again, with the same status line.
func verifyLive(ctx context.Context, store io.ReaderAt, size int64, opt Options) (*Report, error) {
	var last *Report
	pause := livePause
	for attempt := 1; ; attempt++ {
		before, err := opt.Status(ctx)
		if err != nil {
			return nil, fmt.Errorf("the snapshot's status: %w", err)
		}
		r, err := verifyOnce(ctx, store, size, opt)
		if err != nil {
			return r, err
		}
		after, err := opt.Status(ctx)
		if err != nil {
			return nil, fmt.Errorf("the snapshot's status: %w", err)
		}
		settled := before == after
		harmless := r.Verdict == Clean || r.Verdict == Empty
		if settled && (harmless || reflect.DeepEqual(last, r)) || harmless && attempt == liveAttempts {
			r.Live = &Live{Status: after, Attempts: attempt, Settled: settled}
			return r, nil
		}
		if attempt == liveAttempts {
			return nil, fmt.Errorf("%w: read %d times, and it was never the same (last %q, then %q); suspend the snapshot, or try again when less is written", ErrMoving, attempt, before, after)
		}
		last = nil
		if settled {
			last = r
		}
		if err := sleep(ctx, pause); err != nil {
			return r, err
		}
		pause = min(2*pause, livePauseMost)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
