// Extents: runs of chunks that are contiguous on both devices, and their order.

package image

import (
	"cmp"
	"iter"
	"sort"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// extent is a run of origin chunks that are contiguous on the COW device too:
// old, old+1, … in new, new+1, ….
type extent struct {
	old cow.Chunk
	// place has the first chunk on the COW device in its lower 56 bits, and the
	// number of chunks minus one in its upper 8. The kernel does the same in
	// memory, for the same reason.
	place uint64
}

const (
	placeBits = 56
	mostRun   = 256
)

func newExtent(old, new cow.Chunk, n uint64) extent {
	return extent{old, uint64(new) | (n-1)<<placeBits}
}

func (e extent) new() cow.Chunk { return cow.Chunk(e.place & (1<<placeBits - 1)) }
func (e extent) n() uint64      { return e.place>>placeBits + 1 }
func (e extent) end() cow.Chunk { return e.old + cow.Chunk(e.n()) }

// from returns the part of e that starts at chunk old.
func (e extent) from(old cow.Chunk) extent {
	skip := old - e.old
	return newExtent(old, e.new()+skip, e.n()-uint64(skip))
}

// extentBytes is the size of an extent in memory and on disk.
const extentBytes = 16

func byOld(a, b extent) int {
	if c := cmp.Compare(a.old, b.old); c != 0 {
		return c
	}
	return cmp.Compare(a.place, b.place)
}

// settle takes sorted extents, cuts off what an earlier one covers, and reports
// that to twice. It yields no more extents than it takes, and none before
// taking it.
func settle(in iter.Seq[extent], twice func(first cow.Chunk, n uint64)) iter.Seq[extent] {
	return func(yield func(extent) bool) {
		end, any := cow.Chunk(0), false
		for e := range in {
			if any && e.old < end {
				covered := min(uint64(end-e.old), e.n())
				twice(e.old, covered)
				if covered == e.n() {
					continue
				}
				e = e.from(end)
			}
			end, any = e.end(), true
			if !yield(e) {
				return
			}
		}
	}
}

// index maps origin chunks to chunks on the COW device, in the order of the
// origin. Its extents do not overlap.
type index interface {
	// from yields the extents that end after chunk old, in order.
	from(old cow.Chunk) iter.Seq2[extent, error]
	close() error
}

// memory is an index in memory.
type memory []extent

func (m memory) from(old cow.Chunk) iter.Seq2[extent, error] {
	return func(yield func(extent, error) bool) {
		first := sort.Search(len(m), func(i int) bool { return m[i].end() > old })
		for _, e := range m[first:] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m memory) close() error { return nil }
