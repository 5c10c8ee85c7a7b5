package crash

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// garbageLog is a new store on a device that held garbage: random bytes, or
// another store's exceptions.
func garbageLog(t testing.TB, chunk cow.Sectors, older bool) ([]byte, Options) {
	m := newMachine(t, 512, chunk, 8, 16)
	random := rand.New(rand.NewPCG(1, 1))
	g := make([]byte, 0, m.g.ChunkBytes())
	for k := uint64(0); len(g) < cap(g); k++ {
		e := cow.Exception{Old: cow.Chunk(random.Uint64()), New: cow.Chunk(random.Uint64())}
		if older {
			e = cow.Exception{Old: cow.Chunk(k % 8), New: cow.Chunk(2 + k%14)}
		}
		g = e.AppendTo(g)
	}
	for c := range cow.Chunk(4) {
		m.put(m.cowBlock(c), g)
	}
	base := m.image()
	m.create(allocator.Fixed)
	m.overwrite(0, 1)
	m.end()
	return logBytes(t, 512, m.log), m.options(base)
}

// TestTornOverGarbage: how long a torn write over garbage takes to judge grows
// with the chunk, and not with its square: eight times the chunk takes less than
// 32 times as long, and 1 MiB a few seconds on the slowest machine.
func TestTornOverGarbage(t *testing.T) {
	for _, older := range []bool{false, true} {
		var took []time.Duration
		for _, chunk := range []cow.Sectors{256, 2048} {
			log, opt := garbageLog(t, chunk, older)
			opt.Jobs = 1
			begun := time.Now()
			r := explore(t, log, opt)
			took = append(took, time.Since(begun))
			t.Logf("older store %v, chunks of %d KiB: %d states, %d corrupt, %v", older, chunk/2, r.States, r.CorruptStates, took[len(took)-1])
			if want := uint64(chunk); r.CorruptStates < want || r.Coverage.SampledEpochs == 0 {
				t.Errorf("%d corrupt states, want at least %d; coverage %+v", r.CorruptStates, want, r.Coverage)
			}
		}
		if took[1] > 10*time.Second || took[1] > 32*took[0]+time.Second {
			t.Errorf("older store %v: chunks of 128 KiB take %v, of 1 MiB %v", older, took[0], took[1])
		}
	}
}
