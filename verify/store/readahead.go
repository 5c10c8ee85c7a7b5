// Read-ahead: areas are one chunk each, with E chunks of data between them.
// Several workers read areas ahead, and the list gets them in disk order.

package store

import (
	"context"
	"io"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Depth is the number of concurrent reads.
const Depth = 16

const (
	// ahead is how many jobs may start before their turn. It exceeds the number
	// of workers, or they would wait for the slowest read.
	ahead = 2 * Depth
	// jobBytes is the most metadata in one job. A job covers several small
	// areas, or part of a large one.
	jobBytes = 64 << 10
	// rescueBytes is the unit in which an area is read again after an error:
	// the block size of most disks.
	rescueBytes = 4096
)

// piece is a run of records of one area, in disk order, or a run that could not
// be read.
type piece struct {
	area    uint64
	slot    uint64 // of the first record
	records []byte // whole records; invalid if err is not nil
	err     error
	inOrder bool // all records lie in the canonical layout
}

// job is the work of one worker at a time: some whole areas, or part of one.
type job struct {
	area  uint64 // the first one
	areas uint64
	slot  uint64 // first record, for part of an area
	size  uint64 // bytes of each area
	buf   []byte
	out   []piece
	done  chan struct{} // of capacity 1: jobs are reused
}

// areaReader reads the areas of a store that the device holds.
type areaReader struct {
	store    io.ReaderAt
	geometry cow.Geometry
	areas    uint64 // that fit on the device
	spare    chan *job
	buffers  buffers
}

// buffers are those that no job has. The one given back last is used first: it
// is still in a processor's cache.
type buffers struct {
	sync.Mutex
	spare [][]byte
}

func (b *buffers) take() []byte {
	b.Lock()
	defer b.Unlock()
	n := len(b.spare)
	if n == 0 {
		return blockdev.AlignedBuffer(jobBytes)
	}
	buf := b.spare[n-1]
	b.spare = b.spare[:n-1]
	return buf
}

func (b *buffers) giveBack(buf []byte) {
	b.Lock()
	defer b.Unlock()
	b.spare = append(b.spare, buf)
}

func newAreaReader(store io.ReaderAt, g cow.Geometry, areas uint64) *areaReader {
	return &areaReader{store: store, geometry: g, areas: areas, spare: make(chan *job, ahead)}
}

// each calls visit for the pieces of all areas from one on, in order, until
// visit returns false. The records are valid only until visit returns.
func (r *areaReader) each(ctx context.Context, from uint64, visit func(piece) (more bool)) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait() // no read is in flight when the caller closes the store
	defer cancel()

	var (
		todo    = make(chan *job)
		ordered = make(chan *job, ahead)
		credits = make(chan struct{}, ahead)
	)
	for range Depth {
		workers.Go(func() {
			for j := range todo {
				r.read(j)
				j.done <- struct{}{}
			}
		})
	}
	workers.Go(func() {
		defer close(ordered)
		defer close(todo)
		r.plan(ctx, from, credits, func(j *job) bool {
			select {
			case ordered <- j:
			case <-ctx.Done():
				return false
			}
			select {
			case todo <- j:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})

	credits <- struct{}{}
	for j := range ordered {
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, p := range j.out {
			if !visit(p) {
				return nil
			}
		}
		r.buffers.giveBack(j.buf)
		select {
		case r.spare <- j:
		default:
		}
		// Two credits for each one used: reading a store with
		// one area must not seek over the whole device.
		for range 2 {
			select {
			case credits <- struct{}{}:
			default:
			}
		}
	}
	return ctx.Err()
}

// plan cuts the areas into jobs and submits one for each credit. The first jobs
// are small for the same reason that the first credits are few.
func (r *areaReader) plan(ctx context.Context, from uint64, credits <-chan struct{}, submit func(*job) bool) {
	chunk := uint64(r.geometry.ChunkBytes())
	for area, count := from, uint64(1); area < r.areas; area, count = area+count, 2*count {
		count = min(count, max(1, jobBytes/chunk), r.areas-area)
		for start := uint64(0); start < chunk; start += jobBytes {
			select {
			case <-credits:
			case <-ctx.Done():
				return
			}
			j := r.newJob()
			j.area, j.areas, j.slot, j.size = area, count, start/cow.ExceptionSize, min(jobBytes, chunk-start)
			if !submit(j) {
				return
			}
		}
	}
}

// newJob returns an empty job, reusing an old one if it can. A worker gives it a
// buffer when it begins to read.
func (r *areaReader) newJob() *job {
	select {
	case j := <-r.spare:
		j.out = j.out[:0]
		return j
	default:
		return &job{done: make(chan struct{}, 1)}
	}
}

// read does one job.
func (r *areaReader) read(j *job) {
	j.buf = r.buffers.take()
	for i := range j.areas {
		buf := j.buf[i*j.size:][:j.size]
		area := j.area + i
		offset := r.geometry.RecordOffset(area, j.slot)
		if err := blockdev.ReadFull(r.store, buf, int64(offset)); err != nil {
			j.out = append(j.out, r.rescue(area, j.slot, buf)...)
			continue
		}
		first := r.geometry.DataChunk(area*r.geometry.ExceptionsPerArea() + j.slot)
		j.out = append(j.out, piece{area: area, slot: j.slot, records: buf, inOrder: isRun(buf, first)})
	}
}

// isRun reports whether the records name consecutive COW chunks starting at
// first.
func isRun(records []byte, first cow.Chunk) bool {
	for want := first; len(records) >= cow.ExceptionSize; want++ {
		if cow.DecodeException(records).New != want {
			return false
		}
		records = records[cow.ExceptionSize:]
	}
	return true
}

// rescue reads block by block after a read of all of it failed.
func (r *areaReader) rescue(area, slot uint64, buf []byte) []piece {
	var out []piece
	for len(buf) > 0 {
		block := buf[:min(rescueBytes, len(buf))]
		buf = buf[len(block):]
		p := piece{area: area, slot: slot, records: block}
		p.err = blockdev.ReadFull(r.store, block, int64(r.geometry.RecordOffset(area, slot)))
		out = append(out, p)
		slot += uint64(len(block)) / cow.ExceptionSize
	}
	return out
}
