package allocator

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestSimulationIsInterrupted: the results of the crashes until then are
// returned.
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
