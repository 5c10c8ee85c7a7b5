package crash

import (
	"math/rand/v2"
	"testing"

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
