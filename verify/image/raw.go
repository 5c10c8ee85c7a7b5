package image

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
)

// Sink is a new, empty file to write an image or a store to.
type Sink interface {
	io.WriterAt
	Truncate(bytes int64) error
}

// holeBytes is the unit in which zeroes become holes: the block size of most
// file systems.
const holeBytes = 4096

// WriteRaw writes a raw image into a new file. Zeroes become holes.
func (im *Image) WriteRaw(ctx context.Context, w Sink, progress func(Progress)) error {
	if err := w.Truncate(im.size); err != nil {
		return err
	}
	total, err := length(im.Data())
	if err != nil {
		return err
	}
	tell, done := newTeller(progress, total), int64(0)
	take := func(at int64, b []byte) error {
		done += int64(len(b))
		tell.at(done)
		// Data in files starts and ends at file system blocks, and chunks may be
		// smaller than a block: the unaligned part is written as it is.
		if at%holeBytes != 0 {
			head := min(int64(len(b)), holeBytes-at%holeBytes)
			if err := writeAt(w, b[:head], at); err != nil {
				return err
			}
			at, b = at+head, b[head:]
		}
		for start, end := range nonZero(b, holeBytes) {
			if err := writeAt(w, b[start:end], at+int64(start)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(ctx, im, im.kept(), take); err != nil {
		return err
	}
	return im.CopyStored(ctx, take)
}

// kept are the parts of the image that come from the origin and may hold
// nonzero bytes.
func (im *Image) kept() iter.Seq2[Span, error] {
	holes := without(dataOf(im.origin, im.size), im.size)
	return without(union(im.Changed(), holes), im.size)
}

// StreamRaw writes a raw image to a stream.
func (im *Image) StreamRaw(ctx context.Context, w io.Writer, progress func(Progress)) error {
	tell := newTeller(progress, im.size)
	return walk(ctx, im, without(nothing, im.size), func(at int64, b []byte) error {
		for at, b := range transfer.Pieces(at, b) {
			if _, err := w.Write(b); err != nil {
				return err
			}
			tell.at(at + int64(len(b)))
		}
		return nil
	})
}

func writeAt(w io.WriterAt, b []byte, at int64) error {
	for at, b := range transfer.Pieces(at, b) {
		if _, err := w.WriteAt(b, at); err != nil {
			return fmt.Errorf("write at %d: %w", at, err)
		}
	}
	return nil
}

// teller reports progress if the caller asked for it.
type teller struct {
	tell  func(Progress)
	total int64
}

func newTeller(tell func(Progress), total int64) teller { return teller{tell, total} }

func (t teller) at(done int64) {
	if t.tell != nil {
		t.tell(Progress{done, t.total})
	}
}
