// The model: the kernel's allocator of exceptions, as far as it determines the
// content of a store.

package allocator

import (
	"bytes"
	"container/heap"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Kernel is a kind of kernel, by the order in which it completes exceptions.
type Kernel string

// The kernels.
const (
	Fixed Kernel = "fixed" // completes exceptions in the order of allocation
	Leaky Kernel = "leaky" // completes them as their copies finish
	// Mended is a Fixed kernel that writes the header last and with FUA, and
	// clears records after the terminator when it activates a store.
	Mended Kernel = "mended"
)

// Op is a write that the model makes to a store. Each write follows the
// previous ones.
type Op struct {
	Kind OpKind
	// Chunk is written whole, with Data. ZeroArea has no Data.
	Chunk cow.Chunk
	Data  []byte // valid until the next call of the model
}

// OpKind says how durable a write is.
type OpKind uint8

// The kinds of writes.
const (
	WriteHeader OpKind = iota // not flushed by itself
	ZeroArea                  // not flushed by itself
	CommitArea                // with PREFLUSH and FUA: after a flush, and durable
	// CommitHeader is a header written with PREFLUSH and FUA.
	CommitHeader
)

// Model allocates and commits exceptions as dm-snap-persistent.c does: it
// allocates chunks in order, and commits when nothing is in flight or an area
// is full.
//
// The order of completion depends on the kernel. With the leak fix, dm-snap.c
// completes exceptions in the order of allocation (Fixed); without it, in the
// order in which their copies finish (Leaky).
type Model struct {
	kernel Kernel
	bounds cow.Bounds
	write  func(Op) error

	next      cow.Chunk // next_free
	area      uint64    // current_area
	committed uint64    // current_committed
	records   []byte    // the current area, in memory
	inFlight  int       // pending_count
	valid     bool

	started   uint64 // sequence number of the next copy
	completed uint64 // of the next exception to complete on a fixed kernel
	waiting   copyHeap
	batch     []Copy // put into the area but not yet written

	// Committed, if not nil, is called with the exceptions of each commit once
	// they are on disk.
	Committed func([]Copy)
}

// Copy is an exception whose chunk is being copied.
type Copy struct {
	cow.Exception
	sequence uint64
}

// NewModel returns the model of a kernel that creates a store. It writes the
// header and zeroes the first area; a Mended kernel does so in the opposite
// order.
func NewModel(k Kernel, b cow.Bounds, write func(Op) error) (*Model, error) {
	m := &Model{kernel: k, bounds: b, write: write, next: cow.FirstData, valid: true, records: make([]byte, b.Geometry.ChunkBytes())}
	header := make([]byte, b.Geometry.ChunkBytes())
	copy(header, cow.NewHeader(b.Geometry.ChunkSectors()).AppendTo(nil))
	if k == Mended {
		if err := m.zero(0); err != nil {
			return nil, err
		}
		return m, write(Op{CommitHeader, 0, header})
	}
	if err := write(Op{WriteHeader, 0, header}); err != nil {
		return nil, err
	}
	return m, m.zero(0)
}

// Activate returns the model of a kernel that activates a store. It calls area
// to read an area into a buffer.
func Activate(k Kernel, b cow.Bounds, area func(number uint64, buf []byte) error, write func(Op) error) (*Model, error) {
	m := &Model{kernel: k, bounds: b, write: write, next: cow.FirstData, valid: true, records: make([]byte, b.Geometry.ChunkBytes())}
	ledger := verify.NewLedger(b)
	for {
		if m.area >= b.Areas() {
			return nil, fmt.Errorf("the list of exceptions continues in area %d, which does not fit on the device", m.area)
		}
		if err := area(m.area, m.records); err != nil {
			return nil, fmt.Errorf("reading area %d: %w", m.area, err)
		}
		for slot, e := range cow.Exceptions(m.records) {
			if e.Terminates() {
				m.committed = uint64(slot)
				m.next = ledger.NextFree()
				return m, m.forgetStale(uint64(slot))
			}
			ledger.Push(e)
		}
		m.area++
	}
}

// forgetStale clears the records after the terminator, in memory and on disk,
// as a mended kernel does. If they were cleared only in memory, a torn first
// commit could leave them after the longer list.
func (m *Model) forgetStale(terminator uint64) error {
	behind := m.records[terminator*cow.ExceptionSize:]
	if m.kernel != Mended || len(bytes.Trim(behind, "\x00")) == 0 {
		return nil
	}
	clear(behind)
	return m.write(Op{CommitArea, m.bounds.Geometry.AreaChunk(m.area), m.records})
}

// NextFree returns the next free chunk.
func (m *Model) NextFree() cow.Chunk { return m.next }

// InFlight returns the number of exceptions that are not committed yet, except
// those waiting in an unwritten area.
func (m *Model) InFlight() int { return m.inFlight }

// Exceptions returns the number of exceptions in the list, including those in
// the area in memory.
func (m *Model) Exceptions() uint64 {
	return m.area*m.bounds.Geometry.ExceptionsPerArea() + m.committed
}

// Valid reports whether the snapshot is valid. It becomes invalid if the store
// has no room for the next area.
func (m *Model) Valid() bool { return m.valid }

// Start allocates a chunk and starts a copy. ok is false if the store has no
// room (persistent_prepare_exception).
func (m *Model) Start(old cow.Chunk) (c Copy, ok bool) {
	if uint64(m.next) >= m.bounds.DeviceChunks || !m.valid {
		return Copy{}, false
	}
	c = Copy{cow.Exception{Old: old, New: m.next}, m.started}
	m.started++
	m.next = m.bounds.Geometry.SkipMetadata(m.next + 1)
	m.inFlight++
	return c, true
}

// Finish records that a copy is done (copy_callback).
func (m *Model) Finish(c Copy) error {
	if m.kernel == Leaky {
		return m.commit(c)
	}
	heap.Push(&m.waiting, c)
	for len(m.waiting) > 0 && m.waiting[0].sequence == m.completed {
		m.completed++
		if err := m.commit(heap.Pop(&m.waiting).(Copy)); err != nil {
			return err
		}
	}
	return nil
}

// commit puts an exception into the area, and writes the area if nothing is in
// flight or it is full (persistent_commit_exception).
func (m *Model) commit(c Copy) error {
	at := m.committed * cow.ExceptionSize
	c.AppendTo(m.records[at:at:len(m.records)])
	m.committed++
	m.inFlight--
	m.batch = append(m.batch, c)
	full := m.committed == m.bounds.Geometry.ExceptionsPerArea()
	if m.inFlight > 0 && !full {
		return nil
	}
	if full {
		if err := m.zero(m.area + 1); err != nil {
			return err
		}
	}
	if m.valid {
		if err := m.write(Op{CommitArea, m.bounds.Geometry.AreaChunk(m.area), m.records}); err != nil {
			return err
		}
	}
	if full {
		m.committed = 0
		m.area++
		clear(m.records)
	}
	if m.Committed != nil && m.valid {
		m.Committed(m.batch)
	}
	m.batch = m.batch[:0]
	return nil
}

// zero zeroes an area. If it does not fit on the device, the snapshot becomes
// invalid.
func (m *Model) zero(area uint64) error {
	if area >= m.bounds.Areas() {
		m.valid = false
		return nil
	}
	return m.write(Op{Kind: ZeroArea, Chunk: m.bounds.Geometry.AreaChunk(area)})
}

// copyHeap is a heap of copies, ordered by sequence number.
type copyHeap []Copy

func (h copyHeap) Len() int           { return len(h) }
func (h copyHeap) Less(i, j int) bool { return h[i].sequence < h[j].sequence }
func (h copyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *copyHeap) Push(x any)        { *h = append(*h, x.(Copy)) }
func (h *copyHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
