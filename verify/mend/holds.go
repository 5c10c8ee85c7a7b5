package mend

import (
	"context"
	"fmt"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// holder is a device that may be the one that a dump was made from.
type holder struct {
	dev      blockdev.Device
	dump     DumpHeader
	geometry cow.Geometry
	listed   func() iter.Seq2[dumpRecord, error] // the exceptions in the dump's list
}

// holdsChunks fails unless dev seems to hold the chunks that the dump names.
// No device is certain to hold them. A device is refused if its store has
// another chunk size or it has another size, if all those chunks are zero and its
// store does not have the same list of origin chunks, or if its store has the data
// elsewhere and other data is in their place.
func (h holder) holdsChunks(ctx context.Context) error {
	s, err := examine(ctx, h.dev, 0)
	if s == nil {
		return err
	}
	known := s.st != nil && s.st.Header().ChunkSectors() == h.dump.ChunkSectors
	if !known && h.dev.Size() != h.dump.SizeBytes {
		return fmt.Errorf("%w: the dump is of a store of %d bytes, but the device has %d and no store with this chunk size: its records would name chunks without data", ErrUncertain, h.dump.SizeBytes, h.dev.Size())
	}
	same := false
	if known && s.sound(verify.SnapshotInvalid) == nil { // a restore marks the store invalid
		if same, err = h.sameList(s.st.Exceptions(ctx)); err != nil {
			return err
		}
	}
	if !same {
		if blank, err := h.blank(); err != nil || blank {
			if err == nil {
				err = fmt.Errorf("%w: all chunks that the dump names are zero on the device: it does not hold their data", ErrUncertain)
			}
			return err
		}
	}
	if !known || s.sound() != nil { // what a damaged store says proves nothing
		return nil
	}
	return h.sameWhereMoved(s.st.Exceptions(ctx))
}

// sameList reports whether the device's list has the dump's origin chunks, in the
// same order. Zeroes can then be the snapshot's content.
func (h holder) sameList(list iter.Seq2[store.Record, error]) (bool, error) {
	next, stop := iter.Pull2(list)
	defer stop()
	for d, err := range h.listed() {
		if err != nil {
			return false, err
		}
		if now, err, more := next(); err != nil || !more || now.Old != d.Old {
			return false, err
		}
	}
	_, err, more := next()
	return !more, err
}

// blank reports whether there are exceptions, and all their chunks are zero.
func (h holder) blank() (bool, error) {
	blank := false
	for d, err := range h.listed() {
		if err != nil {
			return false, err
		}
		if at, ok := h.place(d.New); ok {
			if zero, err := allZero(h.dev, at, h.chunkBytes()); err != nil || !zero {
				return false, err
			}
		}
		blank = true
	}
	return blank, nil
}

// sameWhereMoved fails if a chunk that the device's list has in another place
// than the dump differs from the chunk in the dump's place. After a reclaim
// both are equal.
func (h holder) sameWhereMoved(list iter.Seq2[store.Record, error]) error {
	next, stop := iter.Pull2(list)
	defer stop()
	for d, err := range h.listed() {
		if err != nil {
			return err
		}
		now, err, more := next()
		if !more || err != nil {
			return err
		}
		if now.Old != d.Old || now.New == d.New {
			continue
		}
		before, on := h.place(d.New)
		after, onToo := h.place(now.New)
		equal := on && onToo
		if equal {
			equal, err = sameBytes(h.dev, before, after, h.chunkBytes())
		}
		if err != nil {
			return err
		}
		if !equal {
			return fmt.Errorf("%w: the store has the data of origin chunk %d in chunk %d, and chunk %d, which the dump names, holds other data", ErrUncertain, d.Old, now.New, d.New)
		}
	}
	return nil
}

// place is the offset of a chunk in bytes, if it is on the device.
func (h holder) place(c cow.Chunk) (at int64, on bool) {
	if !h.geometry.BoundsOf(h.dev.Size(), 0).OnDevice(c) {
		return 0, false
	}
	offset, on := h.geometry.Offset(c)
	return int64(offset), on
}

func (h holder) chunkBytes() int64 { return h.geometry.ChunkBytes() }
