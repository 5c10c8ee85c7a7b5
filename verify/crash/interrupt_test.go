package crash

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestStopsWithinAnEpoch: an epoch that would take hours is broken off, and
// what was found until then is reported.
func TestStopsWithinAnEpoch(t *testing.T) {
	log, opt := scenario(t, Leaky, 512, noFault, 0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	within := false
	opt.Reorder = 1 << 40
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

// TestSimulationIsInterrupted: what the crashes until then left is there.
func TestSimulationIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	opt := SimulateOptions{Kernel: Leaky, Exceptions: MaxExceptions, InFlight: 64, Crashes: 1000, Chunk: 8, Seed: 1}
	opt.Progress = func(started uint64, crashes int) {
		if crashes == 3 {
			cancel()
		}
	}
	sim, err := Simulate(ctx, opt)
	if !errors.Is(err, context.Canceled) || sim == nil || len(sim.Crashes) != 3 || sim.LeakedChunks != sim.Crashes[2].Leaked {
		t.Errorf("%+v, %v", sim, err)
	}
}
