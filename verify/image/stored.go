package image

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
)

// Prefetcher is a reader whose bytes can be read into a cache beforehand.
type Prefetcher interface {
	// CacheRoom is how many bytes the cache has room for; 0 if reads go past it.
	CacheRoom() int64
	// Prefetch reads a part into the cache. What cannot be read is left out. The
	// only error is the context's.
	Prefetch(ctx context.Context, offset, length int64) error
}

var _ Prefetcher = (*blockdev.File)(nil)

// CopyStored passes on what the store has of the image, everything that
// [Image.Changed] names. The slice that take gets is overwritten afterwards.
//
// The parts come in the order of the store's list. On the store's device that
// order is sequential or nearly so, no matter how the origin was written to.
//
// They come in the order of the image if the image is a best effort, because a
// chunk may be named twice, and if chunks are smaller than a page or larger than a
// window. They also do if most of them would come in short pieces out of order,
// and the store's data fits in the page cache: it is read into that first, from
// beginning to end.
func (im *Image) CopyStored(ctx context.Context, take func(at int64, b []byte) error) error {
	o, err := im.storedOrder()
	if err != nil {
		return err
	}
	return im.copyStored(ctx, o, take)
}

// storedOrder is the order in which CopyStored passes on its parts.
type storedOrder struct {
	byList bool       // that of the store's list, or else that of the image
	cache  Prefetcher // if not nil, the store, of which part is read into the cache first
	part   Span
}

func (im *Image) storedOrder() (storedOrder, error) {
	if !im.copiesInListOrder() {
		return storedOrder{}, nil
	}
	cache, ok := im.store.(Prefetcher)
	if !ok {
		return storedOrder{byList: true}, nil
	}
	part, err := im.fitsIn(cache.CacheRoom())
	if err != nil || part.Length == 0 {
		return storedOrder{byList: true}, err
	}
	return storedOrder{cache: cache, part: part}, nil
}

func (im *Image) copyStored(ctx context.Context, o storedOrder, take func(at int64, b []byte) error) error {
	if o.byList {
		return transfer.Ahead(ctx, im.storedLoads(ctx), take)
	}
	if o.cache == nil {
		return im.Copy(ctx, im.Changed(), take)
	}
	if err := o.cache.Prefetch(ctx, o.part.Offset, o.part.Length); err != nil {
		return err
	}
	return walk(ctx, inCache{im}, im.Changed(), take)
}

// inCache is an image whose store is in the page cache.
type inCache struct{ *Image }

// ReadAt implements io.ReaderAt.
func (c inCache) ReadAt(p []byte, off int64) (int, error) {
	return c.readAt(p, off, transfer.GatherCached)
}

// fitsIn is the part of the store that has the image's data, if it is worth a
// cache with this much room, in bytes: it must fit, have little else, and almost
// all of the data must belong to torn parts of the image. Otherwise its length is
// 0.
func (im *Image) fitsIn(room int64) (Span, error) {
	if room == 0 {
		return Span{}, nil
	}
	part, data, err := im.storedPart()
	if err != nil || part.Length > room || part.Length-data > part.Length/4 {
		return Span{}, err
	}
	if torn, err := length(im.torn()); err != nil || data-torn > data/8 {
		return Span{}, err
	}
	return part, nil
}

// storedPart is the part of the store from the first byte of the image's data to
// the last, and how much data the image has there.
func (im *Image) storedPart() (part Span, data int64, err error) {
	for s, err := range im.segments(0, im.size) {
		if err != nil {
			return Span{}, 0, err
		}
		if !s.inStore {
			continue
		}
		start, end := s.place, s.place+s.length
		if data > 0 {
			start, end = min(start, part.Offset), max(end, part.End())
		}
		part, data = Span{start, end - start}, data+s.length
	}
	return part, data, nil
}

// copiesInListOrder reports whether CopyStored can go by the store's list.
func (im *Image) copiesInListOrder() bool {
	return im.list != nil && im.ChunkBytes() >= holeBytes && im.ChunkBytes() <= transfer.WindowBytes
}

// A part of the image is torn if it has tornBytes, in runs of fewer than
// shortBytes on the store's device.
const (
	tornBytes  = 1 << 20
	shortBytes = 64 << 10
)

// torn yields the long parts of the image that come in many pieces, out of order,
// if CopyStored goes by the store's list.
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
