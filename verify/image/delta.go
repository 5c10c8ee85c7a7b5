package image

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/chunkset"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// DefaultDeltaBytes bounds the sets of chunks of a Delta, in bytes.
const DefaultDeltaBytes = 24 << 20

// Delta finds the parts of an origin that a store has copies of: what was
// written since the snapshot was taken, on either side. It needs no origin.
type Delta struct {
	st          *store.Store
	memoryBytes int64
	list        uint64 // exceptions in the list, once known: a live list grows
	known       bool
	impossible  uint64 // exceptions of the last pass
}

// NewDelta returns a Delta and reads nothing yet. If st.OriginBytes is known,
// no span extends past it. A bound of 0 means DefaultDeltaBytes; a store that
// needs more is read several times.
func NewDelta(st *store.Store, memoryBytes int64) *Delta {
	if memoryBytes <= 0 {
		memoryBytes = DefaultDeltaBytes
	}
	return &Delta{st: st, memoryBytes: memoryBytes}
}

// Spans yields the changed parts of the origin, joined and in order. Each call
// reads the store. If the list has grown since the first call, the rest is
// ignored. An area that cannot be read is skipped; Verify reports it.
func (d *Delta) Spans(ctx context.Context) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		runs := chunkset.NewRuns(d.end(), uint64(d.memoryBytes))
		chunk, limit := uint64(d.st.Geometry().ChunkBytes()), uint64(math.MaxInt64)
		if d.st.OriginBytes > 0 {
			limit = uint64(d.st.OriginBytes)
		}
		more, held := true, Span{} // held may continue in the next run
		for more && runs.Next() {
			if err := d.pass(ctx, runs); err != nil {
				yield(Span{}, err)
				return
			}
			runs.Named(func(first, end cow.Chunk) {
				// A chunk below d.end() starts below 2^63, and ends below 2^64.
				start, stop := int64(uint64(first)*chunk), int64(min(uint64(end)*chunk, limit))
				if held.Length > 0 {
					if start == held.End() {
						held.Length = stop - held.Offset
						return
					}
					more = more && yield(held, nil)
				}
				held = Span{start, stop - start}
			})
		}
		if more && held.Length > 0 {
			yield(held, nil)
		}
	}
}

// Impossible is how many exceptions name an origin chunk that does not exist
// or, if the origin's size is unknown, that no device can have. Spans leaves
// them out, and must have been read to its end.
func (d *Delta) Impossible() uint64 { return d.impossible }

// end is the first origin chunk that does not exist, or cannot.
func (d *Delta) end() cow.Chunk {
	b := d.st.Bounds()
	if b.OriginChunks > 0 {
		return cow.Chunk(b.OriginChunks)
	}
	return cow.Chunk(math.MaxInt64 / b.Geometry.ChunkBytes())
}

// pass puts the list's origin chunks in order.
func (d *Delta) pass(ctx context.Context, runs *chunkset.Runs) error {
	taken := uint64(0)
	d.impossible = 0
	_, err := d.st.Pieces(ctx, 0, func(p store.Piece) bool {
		records := p.Records
		if n := uint64(len(records)) / cow.ExceptionSize; d.known && n > d.list-taken {
			records = records[:(d.list-taken)*cow.ExceptionSize]
		}
		d.impossible += runs.TakeOld(records)
		taken += uint64(len(records)) / cow.ExceptionSize
		return !d.known || taken < d.list
	})
	if err != nil {
		return err
	}
	if d.known && taken < d.list {
		return fmt.Errorf("the store had %s and now has %d: it is being merged", count.Of(d.list, "exception"), taken)
	}
	d.list, d.known = taken, true
	return nil
}

// Union joins the spans of two deltas.
func Union(a, b iter.Seq2[Span, error]) iter.Seq2[Span, error] { return union(a, b) }
