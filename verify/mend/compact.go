package mend

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// Compaction is a store that is to be written without holes to a new file:
// exception k gets data chunk k. Records after the list are not copied.
type Compaction struct {
	s    *subject
	size int64
}

// PlanCompaction examines a store, and the size in bytes of the new file; 0 means
// the store's size. If that is too small, the error wraps ErrRoom.
func PlanCompaction(ctx context.Context, dev blockdev.Device, size int64) (*Compaction, error) {
	s, err := examine(ctx, dev, 0)
	if err != nil {
		return nil, err
	}
	if err := s.sound(verify.SnapshotInvalid); err != nil {
		return nil, err
	}
	g, n := s.geometry(), s.report.Usage.Exceptions
	if size == 0 {
		size = dev.Size()
	}
	if need := g.ChunksFor(n); g.ChunksIn(size) < need {
		return nil, fmt.Errorf("%w: %s with metadata: %d chunks of %d bytes, but %d bytes hold %d", ErrRoom, count.Of(n, "exception"), need, g.ChunkBytes(), size, g.ChunksIn(size))
	}
	return &Compaction{s, size}, nil
}

// Steps says what Write does.
func (c *Compaction) Steps() []string {
	return []string{
		fmt.Sprintf("copy %s and %d bytes of data", count.Of(c.s.report.Usage.Exceptions, "exception"), c.dataBytes()),
		"write the header",
	}
}

func (c *Compaction) dataBytes() int64 {
	return int64(c.s.report.Usage.Exceptions) * c.s.geometry().ChunkBytes()
}

// Size is the size of the new file in bytes.
func (c *Compaction) Size() int64 { return c.size }

// Write writes the new file. The header comes last.
func (c *Compaction) Write(ctx context.Context, w image.Sink, progress func(Progress)) error {
	if err := w.Truncate(c.size); err != nil {
		return err
	}
	run := compactor{s: c.s, w: w, now: Progress{Total: c.dataBytes()}, tell: progress}
	for e, err := range c.s.records(ctx) {
		if err != nil {
			return err
		}
		if err := run.take(e.Exception); err != nil {
			return err
		}
	}
	if err := run.flush(); err != nil {
		return err
	}
	_, err := w.WriteAt(c.s.st.Header().AppendTo(nil), 0)
	return err
}

// compactor takes exceptions in order and copies their chunks in batches.
type compactor struct {
	s     *subject
	w     image.Sink
	batch []cow.Exception
	k     uint64 // index of the first one in the batch
	now   Progress
	tell  func(Progress)
}

// compactBytes is the size of a batch in bytes. Each is copied in the order of
// the store.
const compactBytes = 4 << 20

func (c *compactor) take(e cow.Exception) error {
	c.batch = append(c.batch, e)
	if int64(len(c.batch))*c.s.geometry().ChunkBytes() < compactBytes {
		return nil
	}
	return c.flush()
}

func (c *compactor) flush() error {
	g := c.s.geometry()
	order := make([]int, len(c.batch))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(c.batch[a].New, c.batch[b].New) })
	for _, i := range order {
		for w, err := range copied(c.s.dev, c.s.offset(c.batch[i].New), c.s.offset(g.DataChunk(c.k+uint64(i))), g.ChunkBytes()) {
			if err != nil {
				return err
			}
			if _, err := c.w.WriteAt(w.data, w.at); err != nil {
				return err
			}
			c.now.Done += int64(len(w.data))
			if c.tell != nil {
				c.tell(c.now)
			}
		}
	}
	for i, e := range c.batch {
		k := c.k + uint64(i)
		e.New = g.DataChunk(k)
		at := g.RecordOffset(k/g.ExceptionsPerArea(), k%g.ExceptionsPerArea())
		if _, err := c.w.WriteAt(e.AppendTo(nil), int64(at)); err != nil {
			return err
		}
	}
	c.k += uint64(len(c.batch))
	c.batch = c.batch[:0]
	return nil
}
