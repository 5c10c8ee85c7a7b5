package allocator

import (
	"context"
	"testing"
)

// TestRates: a leaky kernel loses more with more copies in flight, and in
// larger chunks; a fixed one loses nothing.
func TestRates(t *testing.T) {
	rates, err := MeasureRates(context.Background(), 1, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, curve := range [][]RatePoint{rates.ByInFlight, rates.ByChunk} {
		var last RatePoint
		for _, p := range curve {
			if p.Kernel == Fixed && p.LeakedBytes != 0 {
				t.Errorf("a fixed kernel leaks: %+v", p)
			}
			if p.Kernel == Leaky && p.InFlight == last.InFlight && p.LeakedBytes <= last.LeakedBytes {
				t.Errorf("larger chunks leak less: %+v, %+v", last, p)
			}
			last = p
		}
		if last.LeakedBytes == 0 {
			t.Errorf("nothing leaks: %+v", last)
		}
	}
}
