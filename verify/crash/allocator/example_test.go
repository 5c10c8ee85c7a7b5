package allocator_test

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

func ExampleSimulate() {
	sim, err := allocator.Simulate(context.Background(), allocator.SimulateOptions{
		Kernel: allocator.Leaky, Exceptions: 10_000, InFlight: 32, Crashes: 1, Chunk: 8, Seed: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sim.Verdict, sim.LeakedChunks > 0, sim.LeakedChunks <= 32)
	// Output: leaked true true
}
