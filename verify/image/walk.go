package image

import (
	"context"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
)

// Progress is how far a copy is, in bytes of the image.
type Progress struct{ Done, Total int64 }

// Holed is a reader that knows its holes. Data returns the first range at or
// after off that may hold nonzero bytes.
type Holed interface {
	Data(off int64) (start, end int64, err error)
}

// Data yields the parts of the image that may hold nonzero bytes, joined and in
// order.
func (im *Image) Data() iter.Seq2[Span, error] {
	return union(im.Changed(), dataOf(im.origin, im.size))
}

// dataOf yields the parts of the first size bytes of a reader that are not
// holes.
func dataOf(r io.ReaderAt, size int64) iter.Seq2[Span, error] {
	holed, ok := r.(Holed)
	if !ok {
		return without(nothing, size)
	}
	return func(yield func(Span, error) bool) {
		for at := int64(0); at < size; {
			start, end, err := holed.Data(at)
			if err != nil {
				yield(Span{}, err)
				return
			}
			start, end = min(start, size), min(end, size)
			if start >= size || end <= start || !yield(Span{start, end - start}, nil) {
				return
			}
			at = end
		}
	}
}

// Copy reads spans of the image, which must be sorted, and passes them to take
// in order and in pieces. The slice b is valid only until take returns.
func (im *Image) Copy(ctx context.Context, spans iter.Seq2[Span, error], take func(at int64, b []byte) error) error {
	return walk(ctx, im, spans, take)
}

// Length returns the number of bytes in spans.
func Length(spans iter.Seq2[Span, error]) (int64, error) { return length(spans) }

// walk reads the spans from r, ahead of take, and passes them on in order, cut
// at multiples of transfer.WindowBytes. The slice b is valid only until take
// returns.
func walk(ctx context.Context, r io.ReaderAt, spans iter.Seq2[Span, error], take func(at int64, b []byte) error) error {
	return transfer.Ahead(ctx, func(yield func(transfer.Load, error) bool) {
		for s, err := range cut(spans) {
			read := func(b []byte) error { return blockdev.ReadFull(r, b, s.Offset) }
			if !yield(transfer.Load{Parts: []transfer.Part{transfer.Part(s)}, Read: read}, err) {
				return
			}
		}
	}, take)
}

// cut cuts spans at multiples of transfer.WindowBytes.
func cut(spans iter.Seq2[Span, error]) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		for s, err := range spans {
			if err != nil {
				yield(Span{}, err)
				return
			}
			for s.Length > 0 {
				n := min(s.Length, transfer.WindowBytes-s.Offset%transfer.WindowBytes)
				if !yield(Span{s.Offset, n}, nil) {
					return
				}
				s.Offset, s.Length = s.Offset+n, s.Length-n
			}
		}
	}
}

// length is the number of bytes in spans.
func length(spans iter.Seq2[Span, error]) (n int64, err error) {
	for s, err := range spans {
		if err != nil {
			return 0, err
		}
		n += s.Length
	}
	return n, nil
}

// nonZero yields the runs of nonzero blocks in b, as indexes into b. b starts
// at a multiple of block, and may end within one.
func nonZero(b []byte, block int) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		start := -1
		for at := 0; at < len(b); at += block {
			end := min(at+block, len(b))
			switch zero := blockdev.IsZero(b[at:end]); {
			case zero && start >= 0:
				if !yield(start, at) {
					return
				}
				start = -1
			case !zero && start < 0:
				start = at
			}
		}
		if start >= 0 {
			yield(start, len(b))
		}
	}
}
