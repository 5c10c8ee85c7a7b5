// The list of exceptions: from area 0 to the terminator.

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Record is an exception and its place: the area, and the slot in it.
type Record struct {
	Area, Slot uint64
	cow.Exception
}

// ReadError is a part of an area that could not be read.
type ReadError struct {
	Area, Slot uint64 // the first record that is missing
	Records    uint64 // how many are
	Offset     uint64 // bytes from the start of the store's device
	Err        error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("area %d, %d records from record %d on: %v", e.Area, e.Records, e.Slot, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

// ErrTruncated is yielded where the list goes on into an area that the device
// does not hold whole.
var ErrTruncated = errors.New("the list of exceptions goes on where the device does not")

// Exceptions iterates over the list in the order of the disk, up to the
// terminator. Records come as they stand there: what is wrong with them is
// for the caller to find.
//
// An error stands in the place of what could not be had. A *ReadError is one
// part of an area; the iteration goes on behind it, unless the caller leaves
// the loop. ErrTruncated and the context's error come last.
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
// Pieces come in the order of the disk.
type Piece struct {
	Area, Slot uint64 // of the first record
	// Records are the exceptions: whole records, none of which terminates the
	// list. They are overwritten once the visitor returns.
	Records []byte
	// InOrder says that all records of the piece are exceptions and lie in the
	// canonical layout, as almost all pieces of almost all stores do.
	InOrder bool
	// Behind are the records of the area behind the terminator, from BehindSlot
	// on: they are no part of the list, and all zero in most stores.
	Behind     []byte
	BehindSlot uint64
	// Filled says that the piece ends an area without a terminator.
	Filled bool
	Err    *ReadError
}

// End says how far the list reaches, and how it ends.
type End struct {
	How How
	// Areas is the number of areas from area 0 to the last that belongs to the
	// list: the one with the terminator, where that was seen.
	Areas uint64
}

// How a list ends.
type How uint8

// The ways in which a list ends.
const (
	Stopped     How = iota // the visitor wanted no more
	Terminator             // as it should
	DeviceEnd              // the list goes on where the device does not
	Unreadable             // the last areas cannot be read
	Implausible            // an area cannot be read, and no record of the next one can belong to the list
)

// Pieces calls visit for all pieces of the list from an area on, until visit
// returns false. It is what Exceptions is made of, for those to whom speed
// matters. The error is the context's; errors of reading are in the pieces.
//
// Behind an area that hides its end, the next one is believed to belong to the
// list only if one of its records could.
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
	unreadable bool // a part of the present area could not be read
}

// stop notes how the list ended; its result is always false.
func (l *list) stop(how How) bool {
	l.over, l.end.How = true, how
	return false
}

// next takes the next piece off the disk; more is false where the list has
// ended before it.
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

// enter begins an area; it is false where the list has ended before it.
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

// plausible tells whether the list may go on with records: whether an
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

// terminatorIn is the slot of the first record that terminates the list, or
// the number of records where none does.
func terminatorIn(records []byte) int {
	n := len(records) / cow.ExceptionSize
	for i := range n {
		if binary.LittleEndian.Uint64(records[i*cow.ExceptionSize+8:]) == 0 {
			return i
		}
	}
	return n
}
