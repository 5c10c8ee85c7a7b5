package allocator

import (
	"context"
	"testing"
)

func BenchmarkSimulate(b *testing.B) {
	const exceptions = 100_000
	for b.Loop() {
		if _, err := Simulate(context.Background(), SimulateOptions{Kernel: Leaky, Exceptions: exceptions, InFlight: 64, Crashes: 3, Chunk: 8, Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(exceptions*float64(b.N)/b.Elapsed().Seconds(), "exceptions/s")
}
