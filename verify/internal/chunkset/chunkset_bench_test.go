// The speed of the judge where most of its time goes.

package chunkset

import (
	"math/rand/v2"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// BenchmarkRandomOrigin adds the chunks of an origin of 64 GiB, all in random
// order, area by area: what most of the judge's time goes into.
func BenchmarkRandomOrigin(b *testing.B) {
	const chunks, areaBytes = 1 << 24, 256 * cow.ExceptionSize
	records := make([]byte, 0, chunks*cow.ExceptionSize)
	for _, old := range rand.New(rand.NewPCG(1, 1)).Perm(chunks) {
		records = cow.Exception{Old: cow.Chunk(old), New: 2}.AppendTo(records)
	}
	b.SetBytes(int64(len(records)))
	for b.Loop() {
		set := newChunkSet(newBudget(usualMemory), nil)
		for at := 0; at < len(records); at += areaBytes {
			set.addOld(records[at:at+areaBytes], func(slot int, e cow.Exception) {
				b.Fatalf("%v was there", e)
			})
		}
	}
}
