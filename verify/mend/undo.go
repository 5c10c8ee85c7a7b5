package mend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// ErrOtherUndo says that an undo file exists but does not undo this change.
var ErrOtherUndo = errors.New("the undo file is for something else")

// WriteOriginUndo saves what an Apply overwrites on the origin, as a store of
// that origin. Applying it restores the old content; a snapshot with the origin
// and this store shows that content.
func WriteOriginUndo(ctx context.Context, im *image.Image, origin blockdev.Device, w Sink, progress func(Progress)) error {
	chunk := im.ChunkBytes()
	if chunk == 0 {
		return fmt.Errorf("%w: the store is fresh", ErrNotStore)
	}
	g, err := cow.NewGeometry(cow.Sectors(chunk / cow.SectorSize))
	if err != nil {
		return err
	}
	total, err := image.Length(im.Changed())
	if err != nil {
		return err
	}
	n := uint64((total + chunk - 1) / chunk)
	size, ok := g.Offset(cow.Chunk(g.ChunksFor(n)))
	if !ok {
		return ErrRoom
	}
	if err := w.Truncate(int64(size)); err != nil {
		return err
	}
	k, now := uint64(0), Progress{Total: total}
	for old, err := range chunksOf(im.Changed(), chunk) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		place, _ := g.Offset(g.DataChunk(k)) // within size
		from := int64(old) * chunk
		for c, err := range copied(origin, from, int64(place), min(chunk, im.Size()-from)) {
			if err != nil {
				return err
			}
			if _, err := w.WriteAt(c.data, c.at); err != nil {
				return err
			}
			if now.Done += int64(len(c.data)); progress != nil {
				progress(now)
			}
		}
		record := cow.Exception{Old: old, New: g.DataChunk(k)}.AppendTo(nil)
		at := g.RecordOffset(k/g.ExceptionsPerArea(), k%g.ExceptionsPerArea())
		if _, err := w.WriteAt(record, int64(at)); err != nil {
			return err
		}
		k++
	}
	_, err = w.WriteAt(cow.NewHeader(g.ChunkSectors()).AppendTo(nil), 0)
	return err
}

// chunksOf yields the chunks in spans, in order.
func chunksOf(spans iter.Seq2[image.Span, error], chunk int64) iter.Seq2[cow.Chunk, error] {
	return func(yield func(cow.Chunk, error) bool) {
		for s, err := range spans {
			if err != nil {
				yield(0, err)
				return
			}
			for at := s.Offset / chunk; at*chunk < s.End(); at++ {
				if !yield(cow.Chunk(at), nil) {
					return
				}
			}
		}
	}
}

// CheckOriginUndo fails with ErrOtherUndo unless undo, an existing store, has
// the old content of everything that the image changes. Then an interrupted run
// can continue with it, and must not write it again.
func CheckOriginUndo(ctx context.Context, im *image.Image, undo io.ReaderAt, size int64) error {
	st, err := store.Open(undo, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOtherUndo, err)
	}
	if int64(st.Geometry().ChunkBytes()) != im.ChunkBytes() {
		return fmt.Errorf("%w: it has chunks of %d bytes, the store of %d", ErrOtherUndo, st.Geometry().ChunkBytes(), im.ChunkBytes())
	}
	st.OriginBytes = im.Size()
	next, stop := iter.Pull2(image.NewDelta(st, 0).Spans(ctx))
	defer stop()
	var have image.Span
	for s, err := range im.Changed() {
		if err != nil {
			return err
		}
		for have.End() < s.End() {
			h, err, more := next()
			if err != nil {
				return err
			}
			if !more {
				return fmt.Errorf("%w: it does not match the origin at %d", ErrOtherUndo, s.Offset)
			}
			have = h
		}
		if have.Offset > s.Offset {
			return fmt.Errorf("%w: it does not match the origin at %d", ErrOtherUndo, s.Offset)
		}
	}
	return nil
}

// CheckDump fails with ErrOtherUndo unless an existing dump is of this store,
// perhaps from before an interrupted run. Then it must not be written again. No
// plan in this package changes the order of exceptions or their origin chunks.
func CheckDump(ctx context.Context, dump io.Reader, dev blockdev.Device) error {
	return checkDump(ctx, dump, dev, false)
}

// CheckDumpOfApply is CheckDump for the dump of an Apply. Where that was
// interrupted, the store's list may end early.
func CheckDumpOfApply(ctx context.Context, dump io.Reader, dev blockdev.Device) error {
	return checkDump(ctx, dump, dev, true)
}

func checkDump(ctx context.Context, dump io.Reader, dev blockdev.Device, emptied bool) error {
	h, records, err := readDump(dump)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOtherUndo, err)
	}
	st, err := store.Open(dev, dev.Size())
	if err != nil { // a lost header
		if h.SizeBytes == dev.Size() {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrOtherUndo, err)
	}
	if st.Header().ChunkSectors() != h.ChunkSectors {
		return fmt.Errorf("%w: it has chunks of %s, the store of %d", ErrOtherUndo, count.Of(h.ChunkSectors, "sector"), st.Header().ChunkSectors())
	}
	next, stop := iter.Pull2(st.Exceptions(ctx))
	defer stop()
	for d, err := range records {
		if err != nil {
			return err
		}
		if d.Stale {
			break
		}
		r, err, more := next()
		if err != nil {
			return err
		}
		if !more && emptied {
			break
		}
		if !more || r.Old != d.Old {
			return fmt.Errorf("%w: exception %d of area %d differs", ErrOtherUndo, d.Slot, d.Area)
		}
	}
	if _, err, more := next(); more && err == nil {
		return fmt.Errorf("%w: the store has more than its %s", ErrOtherUndo, count.Of(h.Exceptions, "exception"))
	}
	return nil
}
