// Simulate: the model under load, crashed at random.

package allocator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// SimulateOptions describes a simulation.
type SimulateOptions struct {
	Kernel     Kernel
	Exceptions uint64 // number to start in total, over all crashes
	InFlight   int    // copies in flight at once
	Crashes    int    // at random points, the last one ends the simulation
	Chunk      cow.Sectors
	Seed       uint64
	// Keep, if not nil, is called with the store that each crash leaves, of
	// size bytes.
	Keep func(crash int, store io.ReaderAt, size int64) error
	// Progress, if not nil, is called now and then with the numbers of
	// exceptions started and of crashes so far.
	Progress func(started uint64, crashes int)
}

// MaxExceptions is the most exceptions in a simulation.
const MaxExceptions = 1 << 26

// Simulation is the result of Simulate: what the crashes left.
type Simulation struct {
	Kernel     Kernel       `json:"kernel"`
	Seed       uint64       `json:"seed"`
	Exceptions uint64       `json:"exceptions"`
	InFlight   int          `json:"in_flight"`
	ChunkBytes int64        `json:"chunk_bytes"`
	Crashes    []CrashPoint `json:"crashes"`
	// The store that the last crash left.
	Verdict      verify.Verdict `json:"verdict"`
	LeakedChunks uint64         `json:"leaked_chunks"`
	LeakedBytes  int64          `json:"leaked_bytes"`
}

// CrashPoint is one crash.
type CrashPoint struct {
	Started   uint64         `json:"started"`   // exceptions, over all lives
	Committed uint64         `json:"committed"` // exceptions in the store
	Lost      uint64         `json:"lost"`      // started since the previous crash and not committed
	NextFree  cow.Chunk      `json:"next_free_chunk"`
	Leaked    uint64         `json:"leaked_chunks"` // in the store, from all crashes so far
	Verdict   verify.Verdict `json:"verdict"`
}

// Check returns what is wrong with the options, or nil.
func (o SimulateOptions) Check() error {
	switch {
	case o.Kernel != Fixed && o.Kernel != Leaky:
		return fmt.Errorf("unknown kernel %q: want %s or %s", o.Kernel, Fixed, Leaky)
	case o.Exceptions == 0 || o.Exceptions > MaxExceptions:
		return fmt.Errorf("%d exceptions: want 1 to %d", o.Exceptions, MaxExceptions)
	case o.InFlight < 1 || o.InFlight > 1<<20:
		return fmt.Errorf("%d copies in flight: want 1 to %d", o.InFlight, 1<<20)
	case o.Crashes < 1 || uint64(o.Crashes) > o.Exceptions:
		return fmt.Errorf("%d crashes: want at least 1, and no more than exceptions", o.Crashes)
	}
	return cow.CheckChunkSize(o.Chunk)
}

// Simulate runs a simulation. Equal options give equal results. If the error is
// the context's, the result has the crashes up to then.
func Simulate(ctx context.Context, opt SimulateOptions) (*Simulation, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	g, err := cow.NewGeometry(opt.Chunk)
	if err != nil {
		return nil, err
	}
	sim := &Simulation{
		Kernel: opt.Kernel, Seed: opt.Seed, Exceptions: opt.Exceptions,
		InFlight: opt.InFlight, ChunkBytes: g.ChunkBytes(), Crashes: []CrashPoint{},
	}
	// Each life leaks no more than it starts, and never uses more areas
	// than the allocated chunks need.
	b := cow.Bounds{Geometry: g, DeviceChunks: uint64(g.DataChunk(opt.Exceptions)) + g.ExceptionsPerArea() + 2}
	r := &simulator{opt: opt, bounds: b, disk: newSparse(b), random: rand.New(rand.NewPCG(opt.Seed, 0x646d736e61706374))}
	points := r.crashPoints()
	for i, at := range points {
		before := r.crashed
		p, err := r.live(ctx, at, i)
		if err == nil {
			err = r.judge(ctx, &p)
		}
		if err != nil && ctx.Err() != nil {
			return sim, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		p.Lost = p.Started - before.Started - (p.Committed - before.Committed)
		r.crashed = p
		sim.Crashes = append(sim.Crashes, p)
		sim.Verdict, sim.LeakedChunks, sim.LeakedBytes = p.Verdict, p.Leaked, int64(p.Leaked)*g.ChunkBytes()
		if opt.Keep != nil {
			if err := opt.Keep(i, r.disk, r.disk.Size()); err != nil {
				return nil, err
			}
		}
	}
	return sim, nil
}

// simulator runs one life of the kernel after another on one disk.
type simulator struct {
	opt     SimulateOptions
	bounds  cow.Bounds
	disk    *sparse
	random  *rand.Rand
	started uint64
	crashed CrashPoint // the last one
	writes  int        // left in this life before it is cut off
}

// errCrash stops a model between two of its writes.
var errCrash = errors.New("the machine crashed")

// crashPoints are the numbers of started exceptions at which the machine
// crashes, in ascending order, without duplicates.
func (r *simulator) crashPoints() []uint64 {
	chosen := map[uint64]bool{}
	for len(chosen) < r.opt.Crashes {
		chosen[1+r.random.Uint64N(r.opt.Exceptions)] = true
	}
	points := make([]uint64, 0, len(chosen))
	for at := range chosen {
		points = append(points, at)
	}
	slices.Sort(points)
	return points
}

// lookUp is the number of exceptions between two checks of the context.
const lookUp = 1 << 14

// live runs a kernel until this many exceptions have started, and lets some of
// the copies finish before it crashes, sometimes between two writes of a
// commit.
func (r *simulator) live(ctx context.Context, until uint64, crashes int) (CrashPoint, error) {
	r.writes = -1
	m, err := r.boot()
	if err != nil {
		return CrashPoint{}, err
	}
	var flying []Copy
	finishOne := func() error {
		i := r.random.IntN(len(flying))
		c := flying[i]
		flying[i] = flying[len(flying)-1]
		flying = flying[:len(flying)-1]
		return m.Finish(c)
	}
	for r.started < until {
		if r.started%lookUp == 0 {
			if err := ctx.Err(); err != nil {
				return CrashPoint{}, err
			}
			if r.opt.Progress != nil {
				r.opt.Progress(r.started, crashes)
			}
		}
		if len(flying) == r.opt.InFlight {
			if err := finishOne(); err != nil {
				return CrashPoint{}, err
			}
		}
		c, ok := m.Start(cow.Chunk(r.started))
		if !ok {
			break
		}
		r.started++
		flying = append(flying, c)
	}
	r.writes = r.random.IntN(4)
	for range r.random.IntN(len(flying) + 1) {
		if err := finishOne(); errors.Is(err, errCrash) {
			break
		} else if err != nil {
			return CrashPoint{}, err
		}
	}
	return CrashPoint{Started: r.started}, nil
}

// boot creates the store, or activates what the previous crash left.
func (r *simulator) boot() (*Model, error) {
	if r.started == 0 {
		return NewModel(r.opt.Kernel, r.bounds, r.write)
	}
	return Activate(r.opt.Kernel, r.bounds, func(area uint64, buf []byte) error {
		_, err := r.disk.ReadAt(buf, int64(r.bounds.Geometry.RecordOffset(area, 0)))
		return err
	}, r.write)
}

func (r *simulator) write(op Op) error {
	if r.writes == 0 {
		return errCrash
	}
	r.writes--
	r.disk.write(op)
	return nil
}

// judge verifies the store that a crash left.
func (r *simulator) judge(ctx context.Context, p *CrashPoint) error {
	report, err := verify.Verify(ctx, r.disk, r.disk.Size(), verify.Options{MaxFindings: -1})
	if err != nil {
		return err
	}
	p.Verdict = report.Verdict
	p.Leaked = report.Leaks.Chunks
	if u := report.Usage; u != nil {
		p.Committed, p.NextFree = u.Exceptions, u.NextFreeChunk
	}
	return nil
}

// sparse is a store that keeps only metadata; data chunks read as zeros.
type sparse struct {
	bounds cow.Bounds
	chunks map[cow.Chunk][]byte
}

func newSparse(b cow.Bounds) *sparse {
	return &sparse{bounds: b, chunks: map[cow.Chunk][]byte{}}
}

// Size returns the store's size in bytes.
func (s *sparse) Size() int64 { return int64(s.bounds.DeviceChunks) * s.bounds.Geometry.ChunkBytes() }

func (s *sparse) write(op Op) {
	if op.Kind == ZeroArea {
		delete(s.chunks, op.Chunk)
		return
	}
	s.chunks[op.Chunk] = append(s.chunks[op.Chunk][:0], op.Data...)
}

// ReadAt implements io.ReaderAt.
func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	size := s.bounds.Geometry.ChunkBytes()
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= s.Size() {
			return done, io.EOF
		}
		piece := p[done:min(len(p), done+int(size-at%size))]
		clear(piece)
		if chunk := s.chunks[cow.Chunk(at/size)]; chunk != nil {
			copy(piece, chunk[at%size:])
		}
		done += len(piece)
	}
	return done, nil
}

// WriteMetadata writes the nonzero chunks of a simulated store, for a sparse
// copy. The store must be one passed to SimulateOptions.Keep.
func WriteMetadata(store io.ReaderAt, w io.WriterAt) error {
	s, ok := store.(*sparse)
	if !ok {
		return errors.New("not a store of a simulation")
	}
	for c, data := range s.chunks {
		offset, _ := s.bounds.Geometry.Offset(c) // it is on the device
		if _, err := w.WriteAt(data, int64(offset)); err != nil {
			return err
		}
	}
	return nil
}
