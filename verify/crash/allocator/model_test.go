package allocator

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

func drawSimulation(t *rapid.T, k Kernel) SimulateOptions {
	n := rapid.Uint64Range(1, 600).Draw(t, "exceptions")
	return SimulateOptions{
		Kernel:     k,
		Exceptions: n,
		InFlight:   rapid.IntRange(1, 100).Draw(t, "in flight"),
		Crashes:    int(rapid.Uint64Range(1, min(n, 5)).Draw(t, "crashes")),
		Chunk:      cow.Sectors(1) << rapid.IntRange(0, 3).Draw(t, "chunk"),
		Seed:       rapid.Uint64().Draw(t, "seed"),
	}
}

func simulate(t interface {
	Helper()
	Fatal(...any)
}, opt SimulateOptions) *Simulation {
	t.Helper()
	sim, err := Simulate(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// TestFixedNeverLeaks: no seed makes a kernel with the fix leak.
func TestFixedNeverLeaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, p := range simulate(t, drawSimulation(t, Fixed)).Crashes {
			if p.Verdict != verify.Clean && p.Verdict != verify.Empty || p.Leaked != 0 {
				t.Fatalf("a crash left %+v", p)
			}
		}
	})
}

// TestLeakyLosesWhatItCannotName: after one crash a leaky kernel has lost the
// uncommitted chunks below the highest committed one. With n exceptions in the
// store, that is everything below next free except n.
func TestLeakyLosesWhatItCannotName(t *testing.T) {
	leaked := false
	rapid.Check(t, func(t *rapid.T) {
		opt := drawSimulation(t, Leaky)
		g, err := cow.NewGeometry(opt.Chunk)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range simulate(t, opt).Crashes {
			if want := g.DataChunksIn(2, p.NextFree) - p.Committed; p.Leaked != want {
				t.Fatalf("crash %d leaked %d chunks, want %d: %+v", i, p.Leaked, want, p)
			}
			if most := uint64(opt.InFlight) * uint64(i+1); p.Leaked > most+p.Lost {
				t.Fatalf("crash %d leaked %d chunks with %d in flight: %+v", i, p.Leaked, opt.InFlight, p)
			}
			leaked = leaked || p.Leaked > 0
		}
	})
	if !leaked {
		t.Error("not one of the simulations leaked")
	}
}

// TestLostExceptions: each started exception is either committed, in some
// life, or lost in the crash that ends that life.
func TestLostExceptions(t *testing.T) {
	for _, k := range []Kernel{Fixed, Leaky} {
		rapid.Check(t, func(t *rapid.T) {
			lost := uint64(0)
			for _, p := range simulate(t, drawSimulation(t, k)).Crashes {
				if lost += p.Lost; lost+p.Committed != p.Started {
					t.Fatalf("%d lost in all: %+v", lost, p)
				}
			}
		})
	}
}

// TestWorkedExample: the example of the kernel's fix, by hand. 251 exceptions
// are committed, ten more chunks are allocated, and the copies of the last
// five finish first, last one first. They fill the first area, which is
// written; then the machine crashes.
func TestWorkedExample(t *testing.T) {
	for k, want := range map[Kernel]struct {
		leaked    uint64
		committed uint64
		next      cow.Chunk
	}{Leaky: {5, 256, 264}, Fixed: {0, 251, 253}} {
		g, err := cow.NewGeometry(8)
		if err != nil {
			t.Fatal(err)
		}
		b := cow.Bounds{Geometry: g, DeviceChunks: 4096}
		disk := newSparse(b)
		m, err := NewModel(k, b, func(op Op) error { disk.write(op); return nil })
		if err != nil {
			t.Fatal(err)
		}
		var copies []Copy
		for old := range cow.Chunk(261) {
			c, ok := m.Start(old)
			if !ok {
				t.Fatal("no room")
			}
			copies = append(copies, c)
			if old < 251 {
				if err := m.Finish(c); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := 260; i >= 256; i-- {
			if err := m.Finish(copies[i]); err != nil {
				t.Fatal(err)
			}
		}
		report, err := verify.Verify(context.Background(), disk, int64(disk.Size()), verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Leaks.Chunks; got != want.leaked || report.Usage.Exceptions != want.committed || report.Usage.NextFreeChunk != want.next {
			t.Errorf("%s: leaked %d, %d exceptions, next free %d; want %+v", k, got, report.Usage.Exceptions, report.Usage.NextFreeChunk, want)
		}
	}
}

func TestSameSeedSameResult(t *testing.T) {
	opt := SimulateOptions{Kernel: Leaky, Exceptions: 5000, InFlight: 32, Crashes: 4, Chunk: 8, Seed: 7}
	if diff := cmp.Diff(simulate(t, opt), simulate(t, opt)); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	other := opt
	other.Seed = 8
	if cmp.Equal(simulate(t, opt).Crashes, simulate(t, other).Crashes) {
		t.Error("another seed gives the same crashes")
	}
}

// TestFullStoreIsGivenUp: an area that fills up at the device's end leaves no
// room for the next area.
func TestFullStoreIsGivenUp(t *testing.T) {
	g, err := cow.NewGeometry(1)
	if err != nil {
		t.Fatal(err)
	}
	b := cow.Bounds{Geometry: g, DeviceChunks: uint64(g.AreaChunk(1))}
	m, err := NewModel(Fixed, b, func(Op) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		c, ok := m.Start(cow.Chunk(n))
		if !ok {
			break
		}
		if err := m.Finish(c); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 32 || m.Valid() {
		t.Errorf("%d exceptions found room, valid %t; want 32, false", n, m.Valid())
	}
}

// TestMendedActivation: records after the terminator are cleared on disk
// before anything else is written. A store without any is not changed.
func TestMendedActivation(t *testing.T) {
	g, err := cow.NewGeometry(8)
	if err != nil {
		t.Fatal(err)
	}
	b := cow.Bounds{Geometry: g, DeviceChunks: 64, OriginChunks: 64}
	records := cow.Exception{Old: 3, New: 2}.AppendTo(nil)
	records = append(records, make([]byte, 40*cow.ExceptionSize)...)
	clean := append(records, make([]byte, int(g.ChunkBytes())-len(records))...)
	stale := slices.Clone(clean)
	copy(stale[40*cow.ExceptionSize:], cow.Exception{Old: 9, New: 12}.AppendTo(nil))
	for _, c := range []struct {
		kernel Kernel
		area   []byte
		want   [][]byte // the areas written
	}{
		{Fixed, stale, nil}, {Mended, clean, nil}, {Mended, stale, [][]byte{clean}},
	} {
		var got [][]byte
		_, err := Activate(c.kernel, b, func(_ uint64, buf []byte) error {
			copy(buf, c.area)
			return nil
		}, func(op Op) error {
			if op.Kind != CommitArea || op.Chunk != 1 {
				t.Errorf("%s: wrote %+v", c.kernel, op)
			}
			got = append(got, slices.Clone(op.Data))
			return nil
		})
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: areas written (-want +got):\n%s%v", c.kernel, diff, err)
		}
	}
}

// TestMendedCreation: the header is written last, and is durable.
func TestMendedCreation(t *testing.T) {
	g, err := cow.NewGeometry(8)
	if err != nil {
		t.Fatal(err)
	}
	var got []OpKind
	_, err = NewModel(Mended, cow.Bounds{Geometry: g, DeviceChunks: 64, OriginChunks: 64}, func(op Op) error {
		got = append(got, op.Kind)
		return nil
	})
	if diff := cmp.Diff([]OpKind{ZeroArea, CommitHeader}, got); diff != "" || err != nil {
		t.Errorf("writes (-want +got):\n%s%v", diff, err)
	}
}
