package image

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// Image is what a snapshot shows, byte by byte. It is safe for concurrent
// reads.
type Image struct {
	store    io.ReaderAt
	origin   io.ReaderAt
	size     int64
	geometry cow.Geometry
	index    index
	list     *store.Store // nil unless everything that it names is certain
	report   *verify.Report
}

// Size returns the size of the image in bytes: the origin's size in whole
// sectors.
func (im *Image) Size() int64 { return im.size }

// ChunkBytes returns the store's chunk size in bytes, or 0 if the store is
// fresh.
func (im *Image) ChunkBytes() int64 {
	if im.report.Geometry == nil {
		return 0
	}
	return im.geometry.ChunkBytes()
}

// Close frees the index. The store and the origin stay open.
func (im *Image) Close() error { return im.index.close() }

// segment is a part of a read, and the place of its bytes.
type segment struct {
	at      int64 // in the image
	length  int64
	inStore bool
	place   int64 // on the store's device or the origin
}

// segments are the parts of the image from off to end, in order.
func (im *Image) segments(off, end int64) iter.Seq2[segment, error] {
	return func(yield func(segment, error) bool) {
		at := off
		if im.report.Geometry != nil { // a fresh store has no chunks
			chunk := im.geometry.ChunkBytes()
			for e, err := range im.index.from(cow.Chunk(off / chunk)) {
				if err != nil {
					yield(segment{}, err)
					return
				}
				// A chunk of the origin lies below 2^63 bytes.
				start, stop := int64(e.old)*chunk, min(int64(e.end())*chunk, end)
				if start >= end {
					break
				}
				if start > at && !yield(segment{at: at, length: start - at, place: at}, nil) {
					return
				}
				at = max(at, start)
				if !yield(segment{at: at, length: stop - at, inStore: true, place: int64(e.new())*chunk + at - start}, nil) {
					return
				}
				at = stop
			}
		}
		if at < end {
			yield(segment{at: at, length: end - at, place: at}, nil)
		}
	}
}

// ReadAt implements io.ReaderAt. It reads the parts in the order in which they
// lie on the devices.
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	return im.readAt(p, off, transfer.Gather)
}

// readAt is ReadAt with a way to read the store.
func (im *Image) readAt(p []byte, off int64, gather func(io.ReaderAt, []byte, []transfer.Segment) error) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	if off >= im.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), im.size-off)]
	var stored []transfer.Segment
	for s, err := range im.segments(off, off+int64(len(want))) {
		if err != nil {
			return 0, err
		}
		if s.inStore {
			stored = append(stored, transfer.Segment{From: s.place, To: s.at - off, Length: s.length})
			continue
		}
		if err := blockdev.ReadFull(im.origin, want[s.at-off:][:s.length], s.place); err != nil {
			return 0, fmt.Errorf("the origin at %d: %w", s.place, err)
		}
	}
	if err := ofStore(gather(im.store, want, stored)); err != nil {
		return 0, err
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// ofStore says of an error that it is the store's.
func ofStore(err error) error {
	if err != nil {
		return fmt.Errorf("the store %w", err)
	}
	return nil
}

// Changed yields the parts of the image that come from the store, joined and in
// order.
func (im *Image) Changed() iter.Seq2[Span, error] {
	return merged(func(yield func(Span, error) bool) {
		for s, err := range im.segments(0, im.size) {
			if err != nil {
				yield(Span{}, err)
				return
			}
			if s.inStore && !yield(Span{s.at, s.length}, nil) {
				return
			}
		}
	})
}
