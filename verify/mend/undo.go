package mend

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/chunkset"
)

// WriteOriginUndo saves what an Apply overwrites on the origin, as a store of
// that origin. Applying it restores the old content; a snapshot with the origin
// and this store shows that content.
func WriteOriginUndo(ctx context.Context, im *image.Image, origin blockdev.Device, w image.Sink, progress func(Progress)) error {
	chunk := im.ChunkBytes()
	if chunk == 0 {
		return fmt.Errorf("%w: the store is fresh", verify.ErrNotStore)
	}
	g, err := cow.NewGeometry(cow.Sectors(chunk / cow.SectorSize))
	if err != nil {
		return err
	}
	return writeUndo(ctx, im.Changed(), g, origin, im.Size(), w, progress)
}

// undoChunk is the chunk size of an undo store of a store's device.
const undoChunk = cow.Sectors(8)

// WriteUndo saves what a plan overwrites on a device, as a store of that device,
// for a plan that a dump does not undo. Applying it restores the old content.
func WriteUndo(ctx context.Context, p *Plan, dev blockdev.Device, w image.Sink, progress func(Progress)) error {
	g, err := cow.NewGeometry(undoChunk)
	if err != nil {
		return err
	}
	spans := p.overwritten(ctx, dev, g.ChunkBytes())
	return writeUndo(ctx, spans, g, dev, dev.Size()/cow.SectorSize*cow.SectorSize, w, progress)
}

// undoMemory bounds the set of chunks that a plan overwrites, in bytes.
const undoMemory = 16 << 20

// overwritten yields the parts of a device that the plan writes to, in whole
// chunks and in order. It reads what the stages say of their places, as often as
// its memory requires.
func (p *Plan) overwritten(ctx context.Context, dev blockdev.Device, chunk int64) iter.Seq2[image.Span, error] {
	bytes := dev.Size() / cow.SectorSize * cow.SectorSize // what grows was not there
	return func(yield func(image.Span, error) bool) {
		runs := chunkset.NewRuns(cow.Chunk((bytes+chunk-1)/chunk), undoMemory)
		for more := true; more && runs.Next(); {
			for at, err := range p.places(ctx, dev) {
				if err != nil {
					yield(image.Span{}, err)
					return
				}
				for c := at.Offset / chunk; c*chunk < at.End(); c++ {
					runs.Take(cow.Chunk(c))
				}
			}
			runs.Named(func(first, end cow.Chunk) {
				start := int64(first) * chunk
				more = more && yield(image.Span{Offset: start, Length: min(int64(end)*chunk, bytes) - start}, nil)
			})
		}
	}
}

// places yields where the plan writes on a device, in the order of the writes.
func (p *Plan) places(ctx context.Context, dev blockdev.Device) iter.Seq2[image.Span, error] {
	return func(yield func(image.Span, error) bool) {
		for _, s := range p.Stages {
			if s.device != dev || s.writes == nil {
				continue
			}
			places := s.places
			if places == nil {
				places = placesOf(s.writes)
			}
			for at, err := range places {
				if err = errors.Join(err, ctx.Err()); !yield(at, err) || err != nil {
					return
				}
			}
		}
	}
}

func placesOf(writes iter.Seq2[write, error]) iter.Seq2[image.Span, error] {
	return func(yield func(image.Span, error) bool) {
		for w, err := range writes {
			if !yield(image.Span{Offset: w.at, Length: int64(len(w.data))}, err) || err != nil {
				return
			}
		}
	}
}

// writeUndo writes a store of a device with the present content of spans.
func writeUndo(ctx context.Context, spans iter.Seq2[image.Span, error], g cow.Geometry, dev blockdev.Device, bytes int64, w image.Sink, progress func(Progress)) error {
	chunk := g.ChunkBytes()
	total, err := image.Length(spans)
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
	for old, err := range chunksOf(spans, chunk) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		place, _ := g.Offset(g.DataChunk(k)) // within size
		from := int64(old) * chunk
		for c, err := range copied(dev, from, int64(place), min(chunk, bytes-from)) {
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
