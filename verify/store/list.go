// The list of exceptions: from area 0 to the terminator.

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Record is an exception and its place: the area and its slot there.
type Record struct {
	Area, Slot uint64
	cow.Exception
}

// ReadError is a part of an area that could not be read.
type ReadError struct {
	Area, Slot uint64 // of the first missing record
	Records    uint64 // number of missing records
	Offset     uint64 // bytes from the device's start
	Err        error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("area %d, %s from record %d on: %v", e.Area, count.Of(e.Records, "record"), e.Slot, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

// ErrTruncated is yielded if the list continues into an area that does not fit
// on the device.
var ErrTruncated = errors.New("the list of exceptions continues beyond the device")

// Exceptions iterates over the list in disk order, up to the terminator.
// Records are not checked; that is up to the caller.
//
// An error stands in for records that could not be read. A *ReadError covers
// part of an area; the iteration continues after it unless the caller breaks
// out of the loop. ErrTruncated and the context's error come last.
func (s *Store) Exceptions(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		end, err := s.Pieces(ctx, 0, func(p Piece) bool {
			if p.Err != nil {
				return yield(Record{Area: p.Area, Slot: p.Slot}, p.Err)
			}
			for i, e := range cow.Exceptions(p.Records) {
				if !yield(Record{Area: p.Area, Slot: p.Slot + uint64(i), Exception: e}, nil) {
					return false
				}
			}
			return true
		})
		switch {
		case err != nil:
			yield(Record{}, err)
		case end.How == DeviceEnd:
			yield(Record{Area: end.Areas}, ErrTruncated)
		}
	}
}

// Piece is a run of records of one area, or a run that could not be read.
// Pieces come in disk order.
type Piece struct {
	Area, Slot uint64 // of the first record
	// Records are the exceptions: whole records, without a terminator. They are
	// valid only until visit returns.
	Records []byte
	// InOrder says that all records in the piece are exceptions in the
	// canonical layout, as in almost all pieces of almost all stores.
	InOrder bool
	// Behind are the records after the terminator in its area, from BehindSlot
	// on. They are not part of the list, and are all zero in most stores.
	Behind     []byte
	BehindSlot uint64
	// Filled says that the piece ends an area without a terminator.
	Filled bool
	Err    *ReadError
}

// End says how far the list reaches and how it ends.
type End struct {
	How How
	// Areas is the number of areas from area 0 to the last one in the list: the
	// one with the terminator, if it was seen.
	Areas uint64
}

// How says how a list ends.
type How uint8

// The ways in which a list ends.
const (
	Stopped     How = iota // visit returned false, or the context was done
	Terminator             // the normal end
	DeviceEnd              // the list continues past the device's end
	Unreadable             // the last areas cannot be read
	Implausible            // an area cannot be read, and no record in the next one can belong to the list
)

// Pieces calls visit for all pieces of the list, starting at an area, until
// visit returns false. Exceptions is built on it; Pieces is faster. The only
// error is the context's; read errors are in the pieces.
//
// After an area whose end is unreadable, the next area counts as part of the
// list only if one of its records can belong to it.
func (s *Store) Pieces(ctx context.Context, area uint64, visit func(Piece) (more bool)) (End, error) {
	l := list{bounds: s.Bounds(), end: End{Areas: area}}
	err := newAreaReader(s.r, s.geometry, l.bounds.Areas()).each(ctx, area, func(p piece) bool {
		out, more := l.next(p)
		return more && (visit(out) || l.stop(Stopped))
	})
	if l.over {
		return l.end, err
	}
	l.stop(Stopped) // interrupted
	switch {
	case err != nil:
	case l.terminated:
		l.stop(Terminator)
	case l.unreadable:
		l.stop(Unreadable)
	default:
		l.stop(DeviceEnd)
	}
	return l.end, err
}

// list is how far a list was followed.
type list struct {
	bounds     cow.Bounds
	end        End
	over       bool // end.How is known
	terminated bool // the terminator was seen
	unreadable bool // part of the current area could not be read
}

// stop notes how the list ended. It always returns false.
func (l *list) stop(how How) bool {
	l.over, l.end.How = true, how
	return false
}

// next takes the next piece off the disk. more is false if the list has ended
// before it.
func (l *list) next(p piece) (out Piece, more bool) {
	if p.slot == 0 && !l.enter(p) {
		return Piece{}, false
	}
	out = Piece{Area: p.area, Slot: p.slot, InOrder: p.inOrder}
	last := p.slot+uint64(len(p.records))/cow.ExceptionSize == l.bounds.Geometry.ExceptionsPerArea()
	switch {
	case p.err != nil:
		l.unreadable = true
		out.Err = &ReadError{
			Area: p.area, Slot: p.slot, Records: uint64(len(p.records)) / cow.ExceptionSize,
			Offset: l.bounds.Geometry.RecordOffset(p.area, p.slot), Err: p.err,
		}
	case l.terminated:
		out.Behind, out.BehindSlot = p.records, p.slot
	case p.inOrder:
		out.Records, out.Filled = p.records, last
	default:
		n := terminatorIn(p.records)
		out.Records = p.records[:n*cow.ExceptionSize]
		if n*cow.ExceptionSize < len(p.records) {
			l.terminated = true
			out.Behind, out.BehindSlot = p.records[(n+1)*cow.ExceptionSize:], p.slot+uint64(n)+1
		} else {
			out.Filled = last
		}
	}
	return out, true
}

// enter begins an area. It returns false if the list has ended before it.
func (l *list) enter(p piece) bool {
	if l.terminated {
		return l.stop(Terminator)
	}
	if l.unreadable && p.err == nil && !l.plausible(p.records) {
		return l.stop(Implausible)
	}
	l.unreadable = false
	l.end.Areas = p.area + 1
	return true
}

// plausible reports whether records can belong to the list: whether an
// exception before the terminator can be right.
func (l *list) plausible(records []byte) bool {
	for _, e := range cow.Exceptions(records) {
		if e.Terminates() {
			return false
		}
		if l.bounds.Fits(e) {
			return true
		}
	}
	return false
}

// terminatorIn is the slot of the terminator, or the number of records if there
// is none.
func terminatorIn(records []byte) int {
	n := len(records) / cow.ExceptionSize
	for i := range n {
		if binary.LittleEndian.Uint64(records[i*cow.ExceptionSize+8:]) == 0 {
			return i
		}
	}
	return n
}
