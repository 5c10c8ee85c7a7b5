package image

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
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
	out, done := rawFile{to: transfer.NewWriter(w), file: w}, int64(0)
	tell := newTeller(progress, total)
	take := func(at int64, b []byte) error {
		done += int64(len(b))
		tell.at(done)
		return out.put(at, b)
	}
	if err := walk(ctx, im, im.kept(), take); err != nil {
		return err
	}
	order, err := im.storedOrder()
	if err != nil {
		return err
	}
	if order.byList {
		if err := out.reserve(ctx, im.torn()); err != nil {
			return err
		}
	}
	return im.copyStored(ctx, order, take)
}

// rawFile is a file in which zeroes become holes.
type rawFile struct {
	to       io.WriterAt
	file     Sink
	reserved bool // parts of the file are allocated before they are written
}

// reserveBytes is the most to reserve at once: the kernel does not let itself be
// interrupted meanwhile.
const reserveBytes = 1 << 30

// reserve allocates what will be written out of order: file systems take long
// for a new place in a file for each piece. What they can't, they do later.
func (f *rawFile) reserve(ctx context.Context, spans iter.Seq2[Span, error]) error {
	for s, err := range spans {
		if err != nil {
			return err
		}
		for at := s.Offset; at < s.End(); at += reserveBytes {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(reserveBytes, s.End()-at)
			f.reserved = true
			if !blockdev.Reserve(f.file, at, n) {
				blockdev.Punch(f.file, at, n)
				return nil
			}
		}
	}
	return nil
}

// put writes b without its zeroes.
func (f *rawFile) put(at int64, b []byte) error {
	// Data in files starts and ends at file system blocks, and chunks may be
	// smaller than a block: the unaligned part is written as it is.
	if at%holeBytes != 0 {
		head := min(int64(len(b)), holeBytes-at%holeBytes)
		if err := writeAt(f.to, b[:head], at); err != nil {
			return err
		}
		at, b = at+head, b[head:]
	}
	hole := 0
	for start, end := range nonZero(b, holeBytes) {
		f.leave(at+int64(hole), int64(start-hole))
		if err := writeAt(f.to, b[start:end], at+int64(start)); err != nil {
			return err
		}
		hole = end
	}
	f.leave(at+int64(hole), int64(len(b)-hole))
	return nil
}

// leave leaves a hole.
func (f *rawFile) leave(at, n int64) {
	if f.reserved && n > 0 {
		blockdev.Punch(f.file, at, n)
	}
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
