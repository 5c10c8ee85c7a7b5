package crash

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// TestStopsWithinAnEpoch: an epoch that would take hours is interrupted, and
// the results until then are reported.
func TestStopsWithinAnEpoch(t *testing.T) {
	log, opt := scenario(t, allocator.Leaky, 512, noFault, 0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	within := false
	opt.Reorder = math.MaxInt
	opt.Progress = func(entry, entries int, states uint64) {
		if within = states > 100_000; within {
			cancel()
		}
	}
	r, err := Explore(ctx, openBytes(t, log), opt)
	if !errors.Is(err, context.Canceled) || !within {
		t.Fatalf("explored with %v", err)
	}
	if r.ExploredEntries >= r.Entries || r.States < 100_000 || r.States > 200_000 {
		t.Errorf("%d of %d entries, %d states", r.ExploredEntries, r.Entries, r.States)
	}
}
