package image

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
)

// CopyStored passes on what the store has of the image, everything that
// [Image.Changed] names, in the order of the store's list. On the store's
// device that order is sequential or nearly so, no matter how the origin was
// written to. The slice that take gets is overwritten afterwards.
//
// The parts come in the order of the image instead if the image is a best
// effort, because a chunk may be named twice, or if chunks are smaller than a
// page or larger than a window.
func (im *Image) CopyStored(ctx context.Context, take func(at int64, b []byte) error) error {
	if !im.copiesInListOrder() {
		return im.Copy(ctx, im.Changed(), take)
	}
	return transfer.Ahead(ctx, im.storedLoads(ctx), take)
}

// copiesInListOrder reports whether CopyStored goes by the store's list.
func (im *Image) copiesInListOrder() bool {
	return im.list != nil && im.ChunkBytes() >= holeBytes && im.ChunkBytes() <= transfer.WindowBytes
}

// A part of the image is torn if it has tornBytes, in runs of fewer than
// shortBytes on the store's device.
const (
	tornBytes  = 1 << 20
	shortBytes = 64 << 10
)

// torn yields the long parts of the image that CopyStored passes on in many
// pieces, out of order.
func (im *Image) torn() iter.Seq2[Span, error] {
	if !im.copiesInListOrder() {
		return nothing
	}
	return func(yield func(Span, error) bool) {
		var span Span
		runs := int64(0)
		isTorn := func() bool { return span.Length >= tornBytes && span.Length/runs < shortBytes }
		for s, err := range im.segments(0, im.size) {
			switch {
			case err != nil:
				yield(Span{}, err)
				return
			case !s.inStore:
			case runs > 0 && span.End() == s.at:
				span.Length, runs = span.Length+s.length, runs+1
			default:
				if isTorn() && !yield(span, nil) {
					return
				}
				span, runs = Span{s.at, s.length}, 1
			}
		}
		if isTorn() {
			yield(span, nil)
		}
	}
}

// storedLoads yields the chunks in the list, as many at a time as fit in a
// window.
func (im *Image) storedLoads(ctx context.Context) iter.Seq2[transfer.Load, error] {
	chunk := im.ChunkBytes()
	return func(yield func(transfer.Load, error) bool) {
		var batch []cow.Exception
		held := int64(0)
		for r, err := range im.list.Exceptions(ctx) {
			if err != nil {
				yield(transfer.Load{}, err)
				return
			}
			if held+chunk > transfer.WindowBytes && len(batch) > 0 {
				if !yield(im.storedLoad(batch), nil) {
					return
				}
				batch, held = nil, 0
			}
			batch, held = append(batch, r.Exception), held+chunk
		}
		if len(batch) > 0 {
			yield(im.storedLoad(batch), nil)
		}
	}
}

// storedLoad reads the chunks of exceptions, in the order of the image and
// with neighbours together.
func (im *Image) storedLoad(batch []cow.Exception) transfer.Load {
	slices.SortFunc(batch, func(a, b cow.Exception) int { return cmp.Compare(a.Old, b.Old) })
	chunk := im.ChunkBytes()
	moves := make([]transfer.Move, 0, len(batch))
	for _, e := range batch {
		at := int64(e.Old) * chunk              // below 2^63, or it would not fit
		if n := min(chunk, im.size-at); n > 0 { // else past the origin's last whole sector
			moves = append(moves, transfer.Move{From: int64(e.New) * chunk, To: at, Length: n})
		}
	}
	l := transfer.Scattered(im.store, moves)
	read := l.Read
	l.Read = func(b []byte) error { return ofStore(read(b)) }
	return l
}
