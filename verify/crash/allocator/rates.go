// Rates: the average loss of a leaky kernel at a crash.

package allocator

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// RatePoint is the loss of one crash with this number of copies in flight and
// this chunk size, averaged over Seeds crashes.
type RatePoint struct {
	Kernel       Kernel  `json:"kernel"`
	InFlight     int     `json:"in_flight"`
	ChunkBytes   int64   `json:"chunk_bytes"`
	Seeds        int     `json:"seeds"`
	LeakedChunks float64 `json:"leaked_chunks"`
	LeakedBytes  float64 `json:"leaked_bytes"`
}

// Rates is leaked space by copies in flight, and by chunk size.
type Rates struct {
	ByInFlight []RatePoint `json:"by_in_flight"`
	ByChunk    []RatePoint `json:"by_chunk_size"`
}

// The points at which rates are measured.
const (
	rateChunk    = cow.Sectors(8)
	RateInFlight = 32
	rateAreas    = 3 // number of areas to fill, so that several fill up
)

// MeasureRates simulates seeds crashes at each point, for both kernels.
// progress, if not nil, is called before each point.
func MeasureRates(ctx context.Context, seed uint64, seeds int, progress func(points int)) (*Rates, error) {
	r := &Rates{}
	begin := func() {
		if progress != nil {
			progress(len(r.ByInFlight) + len(r.ByChunk))
		}
	}
	for _, k := range []Kernel{Fixed, Leaky} {
		for n := 1; n <= 256; n *= 2 {
			begin()
			p, err := measure(ctx, k, n, rateChunk, seed, seeds)
			if err != nil {
				return nil, err
			}
			r.ByInFlight = append(r.ByInFlight, p)
		}
		for chunk := cow.Sectors(8); chunk <= 512; chunk *= 2 {
			begin()
			p, err := measure(ctx, k, RateInFlight, chunk, seed, seeds)
			if err != nil {
				return nil, err
			}
			r.ByChunk = append(r.ByChunk, p)
		}
	}
	return r, nil
}

func measure(ctx context.Context, k Kernel, inFlight int, chunk cow.Sectors, seed uint64, seeds int) (RatePoint, error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return RatePoint{}, err
	}
	p := RatePoint{Kernel: k, InFlight: inFlight, ChunkBytes: g.ChunkBytes(), Seeds: seeds}
	losses, err := Losses(ctx, k, inFlight, chunk, seed, seeds)
	for _, lost := range losses {
		p.LeakedChunks += float64(lost) / float64(seeds)
	}
	p.LeakedBytes = p.LeakedChunks * float64(g.ChunkBytes())
	return p, err
}

// Losses returns what one crash loses in each of a number of simulations, in
// chunks. The crash comes at a random moment while three areas fill up.
func Losses(ctx context.Context, k Kernel, inFlight int, chunk cow.Sectors, seed uint64, seeds int) (lost []uint64, err error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return nil, err
	}
	for i := range seeds {
		if err := ctx.Err(); err != nil {
			return lost, err
		}
		sim, err := Simulate(ctx, SimulateOptions{
			Kernel: k, Exceptions: rateAreas * g.ExceptionsPerArea(), InFlight: inFlight, Crashes: 1, Chunk: chunk, Seed: seed + uint64(i),
		})
		if err != nil {
			return lost, err
		}
		lost = append(lost, sim.LeakedChunks)
	}
	return lost, nil
}
