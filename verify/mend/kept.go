package mend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// CheckOriginUndo fails with ErrOtherUndo unless undo, an existing store, undoes
// an Apply of dev to origin that was interrupted at any moment. Then it must not
// be written again. It must have the chunks that the store changes and no others,
// and each of their sectors must be on the origin as it was, or as the snapshot
// shows it. The dump is that of the same Apply, as the store's records may have
// been cleared; nil if there is none.
func CheckOriginUndo(ctx context.Context, dev, origin blockdev.Device, undo io.ReaderAt, size int64, dump io.ReadSeeker) (err error) {
	before, cleared, err := beforeApply(ctx, dev, dump)
	if err != nil {
		return err
	}
	im, err := shown(ctx, before, before.Size(), origin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	old, err := shown(ctx, undo, size, origin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if old.ChunkBytes() != im.ChunkBytes() {
		return fmt.Errorf("%w: it has chunks of %d bytes, the store of %d", ErrOtherUndo, old.ChunkBytes(), im.ChunkBytes())
	}
	if err := covers(old.Changed(), im.Changed()); err != nil {
		return err
	}
	if err := covers(im.Changed(), old.Changed()); err != nil {
		return fmt.Errorf("%w; the store has more to it", err)
	}
	c := contents{was: old, now: origin, after: im, cleared: func(at int64) bool {
		return cleared[cow.Chunk(at/im.ChunkBytes())]
	}}
	return c.compare(ctx, old.Changed())
}

// shown is what a store and an origin show.
func shown(ctx context.Context, st io.ReaderAt, size int64, origin blockdev.Device) (*image.Image, error) {
	im, _, err := image.Open(ctx, image.Source{Store: st, StoreSize: size, Origin: origin, OriginSize: origin.Size()}, image.Options{})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrOtherUndo, err)
	}
	return im, err
}

// beforeApply is a store with the records that an Apply has cleared, from a dump,
// and the origin chunks whose data that Apply may have cleared, too.
func beforeApply(ctx context.Context, dev blockdev.Device, dump io.ReadSeeker) (_ Readable, cleared map[cow.Chunk]bool, err error) {
	if dump == nil {
		return dev, nil, nil
	}
	k := keptDump{dev: dev, emptied: true}
	if err := k.check(ctx, dump); err != nil {
		return nil, nil, err
	}
	records, err := k.read(dump)
	if err != nil {
		return nil, nil, err
	}
	before, near := newOverlay(dev), map[cow.Chunk]bool{}
	for d, err := range records {
		if err != nil {
			return nil, nil, err
		}
		if d.Stale {
			break
		}
		if at, ok := k.geometry.Offset(d.New); ok && at < blockdev.BlankHead {
			near[d.Old] = true
		}
		if !k.cleared(d) {
			continue
		}
		now, err := k.now.at(d.Area, d.Slot)
		if err != nil {
			return nil, nil, err
		}
		if now == (cow.Exception{}) {
			cleared = near
		}
		if _, err := before.WriteAt(d.encode(), int64(k.geometry.RecordOffset(d.Area, d.Slot))); err != nil {
			return nil, nil, err
		}
	}
	return before, cleared, nil
}

// CheckUndo fails with ErrOtherUndo unless undo, an existing store, undoes a run
// of this plan on a device that was interrupted at any moment. Then it must not
// be written again. The plan is made anew, on the device as the undo store has it:
// it must write to nothing else, and each sector must be as it was or as the plan
// makes it.
func CheckUndo(ctx context.Context, plan func(blockdev.Device) (*Plan, error), dev blockdev.Device, undo io.ReaderAt, size int64) (err error) {
	st, err := store.Open(undo, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOtherUndo, err)
	}
	if got := st.Geometry().ChunkSectors(); got != undoChunk {
		return fmt.Errorf("%w: it has chunks of %d sectors, not %d", ErrOtherUndo, got, undoChunk)
	}
	old, err := shown(ctx, undo, size, dev)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	before := undone{old, dev}
	p, err := plan(before)
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrOtherUndo, err)
		}
		return err
	}
	if err := covers(old.Changed(), p.overwritten(ctx, before, old.ChunkBytes())); err != nil {
		return err
	}
	c := contents{was: old, now: dev}
	if err := c.compare(ctx, apartFrom(old.Changed(), p.overwritten(ctx, before, cow.SectorSize))); err != nil {
		return err
	}
	return p.begun(ctx, before, dev)
}

// undone is a device as an undo store shows it. It is only read.
type undone struct {
	im  *image.Image
	dev blockdev.Device
}

func (u undone) Size() int64 { return u.dev.Size() }

func (u undone) ReadAt(b []byte, off int64) (int, error) {
	if off >= u.im.Size() { // less than a sector
		return u.dev.ReadAt(b, off)
	}
	n, err := u.im.ReadAt(b, off)
	if n < len(b) && off+int64(n) == u.im.Size() && u.dev.Size() > u.im.Size() {
		more, err := u.dev.ReadAt(b[n:], u.im.Size())
		return n + more, err
	}
	return n, err
}

func (undone) WriteAt([]byte, int64) (int, error) { return 0, errOnlyRead }

func (undone) Flush() error { return errOnlyRead }

var errOnlyRead = errors.New("what an undo file shows is only read")

// covers fails with ErrOtherUndo unless the first spans contain the second ones.
func covers(have, want iter.Seq2[image.Span, error]) error {
	for s, err := range apartFrom(want, have) {
		if err == nil {
			err = fmt.Errorf("%w: it has nothing of offset %d", ErrOtherUndo, s.Offset)
		}
		return err
	}
	return nil
}

// apartFrom yields the parts of spans that the other spans do not contain. Both
// come in order.
func apartFrom(spans, others iter.Seq2[image.Span, error]) iter.Seq2[image.Span, error] {
	return func(yield func(image.Span, error) bool) {
		next, stop := iter.Pull2(others)
		defer stop()
		other, err, more := next()
		for s, errSpan := range spans {
			if errSpan != nil {
				yield(image.Span{}, errSpan)
				return
			}
			for s.Length > 0 {
				for more && err == nil && other.End() <= s.Offset {
					other, err, more = next()
				}
				if err != nil {
					yield(image.Span{}, err)
					return
				}
				end := s.End()
				if more && other.Offset < end {
					end = max(s.Offset, other.Offset)
				}
				if end > s.Offset && !yield(image.Span{Offset: s.Offset, Length: end - s.Offset}, nil) {
					return
				}
				if end < s.End() { // the other span starts here
					end = min(other.End(), s.End())
				}
				s = image.Span{Offset: end, Length: s.End() - end}
			}
		}
	}
}

// contents are a device before a run, now, and after it.
type contents struct {
	was, now, after io.ReaderAt      // after is nil for a part that the run leaves alone
	cleared         func(int64) bool // whether the data for an offset may be gone
}

// compare fails with ErrOtherUndo unless each sector in spans is as before or
// after the run.
func (c contents) compare(ctx context.Context, spans iter.Seq2[image.Span, error]) error {
	var buf [3][]byte
	for i := range buf {
		buf[i] = make([]byte, contentBytes)
	}
	for s, err := range spans {
		for at := s.Offset; err == nil && at < s.End(); at += contentBytes {
			n := min(s.End()-at, contentBytes)
			if err = ctx.Err(); err == nil {
				err = c.piece(at, buf[0][:n], buf[1][:n], buf[2][:n])
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// piece compares a part that fits into the buffers.
func (c contents) piece(at int64, was, now, after []byte) error {
	if err := readFull(c.was, was, at); err != nil {
		return err
	}
	if err := readFull(c.now, now, at); err != nil || bytes.Equal(was, now) {
		return err
	}
	if c.after == nil {
		return fmt.Errorf("%w: the device has changed at or after offset %d, which the change leaves alone", ErrOtherUndo, at)
	}
	if err := readFull(c.after, after, at); err != nil {
		return err
	}
	for i := 0; i < len(now); i += cow.SectorSize {
		end := min(i+cow.SectorSize, len(now))
		if bytes.Equal(now[i:end], was[i:end]) || bytes.Equal(now[i:end], after[i:end]) {
			continue
		}
		if c.cleared != nil && c.cleared(at+int64(i)) && blockdev.IsZero(after[i:end]) {
			continue
		}
		return fmt.Errorf("%w: offset %d has neither the content that it saved nor what the change writes", ErrOtherUndo, at+int64(i))
	}
	return nil
}

// begun fails with ErrOtherUndo unless each sector that the plan writes on before
// has its content there, or that after one of the writes.
func (p *Plan) begun(ctx context.Context, before, now blockdev.Device) error {
	r := rewritten{before: before, now: now, torn: map[int64]*torn{}}
	for _, s := range p.Stages {
		if s.device != before || s.writes == nil {
			continue
		}
		for w, err := range s.writes {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			for at, b := range transfer.Pieces(w.at, w.data) {
				if err := r.write(at, b); err != nil {
					return err
				}
			}
		}
	}
	for at, t := range r.torn {
		if !t.seen {
			return r.other(at)
		}
	}
	return nil
}

// rewritten compares a device with what writes make of it. Several writes may have
// parts of one sector, such as the header's; no plan writes more than once to a
// whole one.
type rewritten struct {
	before, now blockdev.Device
	torn        map[int64]*torn // sectors that a write covers in part, by offset
}

// torn is a sector after some writes to parts of it.
type torn struct {
	b    []byte
	seen bool // the device has it, or had it after an earlier write
}

func (r *rewritten) write(at int64, b []byte) error {
	for len(b) > 0 {
		start := at / cow.SectorSize * cow.SectorSize
		n := min(int64(len(b)), start+cow.SectorSize-at)
		if n == cow.SectorSize { // and all other whole ones
			n = int64(len(b)) / cow.SectorSize * cow.SectorSize
			if err := r.whole(at, b[:n]); err != nil {
				return err
			}
		} else if err := r.part(start, at-start, b[:n]); err != nil {
			return err
		}
		at, b = at+n, b[n:]
	}
	return nil
}

// whole compares whole sectors.
func (r *rewritten) whole(at int64, after []byte) error {
	now, was := make([]byte, len(after)), make([]byte, len(after))
	if err := readFull(r.now, now, at); err != nil || bytes.Equal(now, after) {
		return err
	}
	if err := readFull(r.before, was, at); err != nil {
		return err
	}
	for i := 0; i < len(now); i += cow.SectorSize {
		end := i + cow.SectorSize
		if !bytes.Equal(now[i:end], after[i:end]) && !bytes.Equal(now[i:end], was[i:end]) {
			return r.other(at + int64(i))
		}
	}
	return nil
}

// part compares a sector that is written in part.
func (r *rewritten) part(start, from int64, after []byte) error {
	size := min(cow.SectorSize, r.now.Size()-start) // less at the end of a file
	now := make([]byte, size)
	if err := readFull(r.now, now, start); err != nil {
		return err
	}
	t := r.torn[start]
	if t == nil {
		t = &torn{b: make([]byte, size)}
		if err := readFull(r.before, t.b, start); err != nil {
			return err
		}
		t.seen = bytes.Equal(now, t.b)
		r.torn[start] = t
	}
	copy(t.b[from:], after)
	t.seen = t.seen || bytes.Equal(now, t.b)
	return nil
}

func (r *rewritten) other(at int64) error {
	return fmt.Errorf("%w: offset %d has neither the content that it saved nor what the change writes", ErrOtherUndo, at)
}
