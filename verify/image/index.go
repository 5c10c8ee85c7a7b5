package image

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// DefaultMemoryBytes bounds an index in memory, in bytes. A larger one goes to an
// unnamed file.
const DefaultMemoryBytes = 64 << 20

// builder takes exceptions in store order and makes an index.
type builder struct {
	most    int // most extents in memory
	dir     string
	held    []extent
	last    extent
	any     bool
	spilled *spill
}

func newBuilder(memoryBytes int64, dir string) *builder {
	if memoryBytes <= 0 {
		memoryBytes = DefaultMemoryBytes
	}
	return &builder{most: int(max(1024, memoryBytes/extentBytes)), dir: dir}
}

// add takes an exception that fits on its devices.
func (b *builder) add(e cow.Exception) error {
	if b.any && b.last.n() < mostRun && e.Old == b.last.end() && e.New == b.last.new()+cow.Chunk(b.last.n()) {
		b.last.place += 1 << placeBits
		return nil
	}
	if err := b.keep(); err != nil {
		return err
	}
	b.last, b.any = newExtent(e.Old, e.New, 1), true
	return nil
}

func (b *builder) keep() error {
	if !b.any {
		return nil
	}
	b.held = append(b.held, b.last)
	if len(b.held) < b.most {
		return nil
	}
	return b.spillHeld()
}

func (b *builder) spillHeld() error {
	if b.spilled == nil {
		s, err := newSpill(b.dir)
		if err != nil {
			return err
		}
		b.spilled = s
	}
	slices.SortFunc(b.held, byOld)
	err := b.spilled.addSorted(b.held)
	b.held = b.held[:0]
	return err
}

// finish makes the index. It reports chunks that were named twice to twice, and
// keeps the place that comes first in the order of the index.
func (b *builder) finish(twice func(first cow.Chunk, n uint64)) (index, error) {
	if err := b.keep(); err != nil {
		return nil, err
	}
	b.any = false
	if b.spilled == nil {
		slices.SortFunc(b.held, byOld)
		out := b.held[:0]
		for e := range settle(slices.Values(b.held), twice) {
			out = append(out, e)
		}
		return memory(slices.Clip(out)), nil
	}
	if err := b.spillHeld(); err != nil {
		return nil, err
	}
	b.held = nil
	return b.spilled.merge(twice)
}

// close discards the unfinished index.
func (b *builder) close() error {
	if b.spilled == nil {
		return nil
	}
	return b.spilled.close()
}
