package mend

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// RepairOptions says what a repair may assume.
type RepairOptions struct {
	// OriginBytes is the origin's size; 0 if unknown.
	OriginBytes int64
	// AssumeCanonical takes a damaged COW chunk number from the layout, if all
	// other exceptions are in canonical order.
	AssumeCanonical bool
}

// mostDamaged is how many damaged exceptions still count as damage in a
// canonical store.
const mostDamaged = 1024

// Repair plans to make a store sound without inventing content. It clears
// records after the terminator, which a growing list would bring to life. It
// gives damaged chunk numbers their canonical place, if the caller asks for it
// and nothing on the device contradicts. It rewrites a lost header, as that of
// an invalidated store. Where an area of the list is missing, the error wraps
// verify.ErrDamaged.
func Repair(ctx context.Context, dev blockdev.Device, opt RepairOptions) (*Plan, error) {
	p := &Plan{Title: "repair the store", Resume: "the store is no worse than before", Again: true, canonical: opt.AssumeCanonical}
	at, err := lostHeader(ctx, dev, opt.OriginBytes, p)
	if err != nil {
		return nil, err
	}
	s, err := examine(ctx, at, opt.OriginBytes)
	if err != nil {
		return nil, err
	}
	if err := s.whole(); err != nil {
		return nil, err
	}
	if opt.AssumeCanonical {
		if err := s.canonical(ctx, p, dev); err != nil {
			return nil, err
		}
	}
	if err := s.clearStale(ctx, p, dev); err != nil {
		return nil, err
	}
	// The result is judged before anything is written.
	if err := s.rehearse(ctx, p, at, opt.OriginBytes); err != nil {
		return nil, err
	}
	p.check = expect(dev, opt.OriginBytes, verify.Clean, verify.Leaked, verify.Invalid)
	return p, nil
}

// rehearse runs the plan on a copy in memory.
func (s *subject) rehearse(ctx context.Context, p *Plan, at blockdev.Device, originBytes int64) error {
	copied, err := p.Rehearsed(ctx, at)
	if err != nil {
		return err
	}
	after, err := examine(ctx, copied, originBytes)
	if err != nil {
		return err
	}
	return after.sound(verify.SnapshotInvalid)
}

// whole fails if an area is missing into which the list continues. What it held
// is unknown, even if no exception names a missing chunk: the kernel clears the
// next area before it writes the last record of a full one, so an area that is
// not there was cut off, perhaps with exceptions.
func (s *subject) whole() error {
	if s.report.Counts[verify.TruncatedArea] == 0 {
		return nil
	}
	area := s.st.Bounds().Areas()
	return fmt.Errorf("%w: area %d of the list is missing, and what it held is unknown: the store has %d bytes, and the area ends at %d", verify.ErrDamaged, area, s.st.Size(), s.offset(s.geometry().AreaChunk(area)+1))
}

// canonical plans to correct damaged COW chunk numbers.
func (s *subject) canonical(ctx context.Context, p *Plan, dev blockdev.Device) error {
	g, bounds := s.geometry(), s.st.Bounds()
	total := s.report.Usage.Exceptions
	var writes []write
	refused := error(nil)
	k := uint64(0)
	_, err := s.st.Pieces(ctx, 0, func(piece store.Piece) bool {
		for i, e := range cow.Exceptions(piece.Records) {
			place := g.DataChunk(k)
			k++
			if e.New == place {
				continue
			}
			// Another exception's canonical place cannot be this one's: the
			// number is damaged. A data chunk past all of them could be its
			// own, on a kernel that leaks.
			index, data := g.DataIndex(e.New)
			if bounds.OnDevice(e.New) && data && index >= total {
				refused = fmt.Errorf("%w: exception %d lies in chunk %d, which no other exception names: the layout is not canonical", ErrUncertain, k-1, e.New)
				return false
			}
			if len(writes) == mostDamaged || !bounds.OnDevice(place) {
				refused = fmt.Errorf("%w: exception %d lies in chunk %d instead of %d, like many others: the layout is not canonical", ErrUncertain, k-1, e.New, place)
				return false
			}
			writes = append(writes, write{
				int64(g.RecordOffset(piece.Area, piece.Slot+uint64(i))),
				cow.Exception{Old: e.Old, New: place}.AppendTo(nil),
			})
		}
		return true
	})
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	case len(writes) == 0:
		return nil
	case uint64(len(writes)) > total/2:
		return fmt.Errorf("%w: exceptions are out of the canonical order, %d of %d", ErrUncertain, len(writes), total)
	}
	// Two exceptions with swapped places are not damage but another order.
	if s.report.Counts[verify.ChunkBeyondDevice]+s.report.Counts[verify.ChunkIsMetadata]+s.report.Counts[verify.DuplicateCOWChunk] < uint64(len(writes)) {
		return fmt.Errorf("%w: %s are out of the canonical order and name distinct chunks", ErrUncertain, count.Of(len(writes), "exception"))
	}
	if err := s.unused(total, uint64(len(writes))); err != nil {
		return err
	}
	p.Notes = append(p.Notes, "a kernel that leaks chunks could have had the data of a damaged exception elsewhere")
	p.Stages = append(p.Stages, Stage{
		Say:    fmt.Sprintf("set the COW chunk of %s as in the canonical layout", count.Of(len(writes), "exception")),
		Bytes:  int64(len(writes)) * cow.ExceptionSize,
		device: dev, writes: those(writes...), barrier: true,
	})
	return nil
}

// unused fails if one of n data chunks from the first one on holds data. Where
// that many exceptions are damaged and all others are in canonical order, the
// kernel could have put a damaged one there, if it leaks.
func (s *subject) unused(first, n uint64) error {
	g := s.geometry()
	for k := first; k < first+n; k++ {
		c := g.DataChunk(k)
		if !s.st.Bounds().OnDevice(c) {
			break
		}
		zero, err := allZero(s.dev, s.offset(c), s.offset(c+1)-s.offset(c))
		if err != nil {
			return err
		}
		if !zero {
			return fmt.Errorf("%w: chunk %d, after those of the canonical layout, holds data: it may belong to a damaged exception", ErrUncertain, c)
		}
	}
	return nil
}

// clearStale plans to clear the records after the terminator. Any part of it
// that becomes durable alone leaves the list unchanged.
func (s *subject) clearStale(ctx context.Context, p *Plan, dev blockdev.Device) error {
	var spans []image.Span // an area can have hundreds of MiB
	records, bytes := uint64(0), int64(0)
	_, err := s.st.Pieces(ctx, 0, func(piece store.Piece) bool {
		first, last := -1, 0
		for i, e := range cow.Exceptions(piece.Behind) {
			if e == (cow.Exception{}) {
				continue
			}
			if first < 0 {
				first = i
			}
			last = i + 1
			records++
		}
		if first >= 0 {
			span := image.Span{
				Offset: int64(s.geometry().RecordOffset(piece.Area, piece.BehindSlot+uint64(first))),
				Length: int64(last-first) * cow.ExceptionSize,
			}
			spans, bytes = append(spans, span), bytes+span.Length
		}
		return true
	})
	if err != nil || len(spans) == 0 {
		return err
	}
	p.Stages = append(p.Stages, Stage{
		Say:    fmt.Sprintf("clear %s after the end of the list", count.Of(records, "record")),
		Bytes:  bytes,
		device: dev, barrier: true,
		writes: func(yield func(write, error) bool) {
			for _, s := range spans {
				if !forward(zeroed(s.Offset, s.End()), yield) {
					return
				}
			}
		},
	})
	return nil
}
