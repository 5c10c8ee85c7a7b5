package mend

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Sink is a new, empty file to write a store to.
type Sink interface {
	io.WriterAt
	Truncate(bytes int64) error
}

// Compact writes the store without holes to a new file of size bytes: exception
// k gets data chunk k. A size of 0 means the store's size. Records after the
// list are not copied. If the file is too small, the error wraps ErrRoom.
func Compact(ctx context.Context, dev blockdev.Device, w Sink, size int64, progress func(Progress)) error {
	s, err := examine(ctx, dev, 0)
	if err != nil {
		return err
	}
	if err := s.sound(verify.SnapshotInvalid); err != nil {
		return err
	}
	g, n := s.geometry(), s.report.Usage.Exceptions
	if size == 0 {
		size = dev.Size()
	}
	if need := g.ChunksFor(n); g.ChunksIn(uint64(size)) < need {
		return fmt.Errorf("%w: %d exceptions need %d chunks of %d bytes, but %d bytes hold %d", ErrRoom, n, need, g.ChunkBytes(), size, g.ChunksIn(uint64(size)))
	}
	if err := w.Truncate(size); err != nil {
		return err
	}
	c := compactor{s: s, w: w, now: Progress{Total: int64(n * g.ChunkBytes())}, tell: progress}
	for e, err := range s.records(ctx) {
		if err != nil {
			return err
		}
		if err := c.take(e.Exception); err != nil {
			return err
		}
	}
	if err := c.flush(); err != nil {
		return err
	}
	_, err = w.WriteAt(s.st.Header().AppendTo(nil), 0)
	return err
}

// compactor takes exceptions in order and copies their chunks in batches.
type compactor struct {
	s     *subject
	w     Sink
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
	if uint64(len(c.batch))*c.s.geometry().ChunkBytes() < compactBytes {
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
		for w, err := range copied(c.s.dev, c.s.offset(c.batch[i].New), c.s.offset(g.DataChunk(c.k+uint64(i))), int64(g.ChunkBytes())) {
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
