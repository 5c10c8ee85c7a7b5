package mend

import (
	"context"
	"fmt"
	"math"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// RevalidateOptions says how to revalidate a store.
type RevalidateOptions struct {
	OriginBytes int64 // 0 if unknown
	// GrowBy grows the store's file in the same run, in bytes, unless it has
	// that much room already, perhaps from an interrupted run. Without room, the
	// next write would invalidate the snapshot again.
	GrowBy int64
}

// Revalidate plans to make an invalidated store valid again. This is right only
// if the origin has not changed since the kernel invalidated the snapshot:
// later writes to it were not copied. The caller vouches for that.
func Revalidate(ctx context.Context, dev blockdev.Device, opt RevalidateOptions) (*Plan, error) {
	p := &Plan{Title: "make the store valid again", Resume: "the store is still marked invalid", Again: true}
	s, err := examine(ctx, dev, opt.OriginBytes)
	if err != nil {
		return nil, err
	}
	if err := s.whole(); err != nil {
		return nil, err
	}
	// Growing would put zeros in place of chunks that were cut off.
	if s.report.Counts[verify.ChunkBeyondDevice] == 0 && !s.report.Header.Valid {
		if s, err = s.grown(ctx, p, opt); err != nil {
			return nil, err
		}
	}
	if err := s.sound(verify.SnapshotInvalid); err != nil {
		return nil, err
	}
	if s.report.Header.Valid {
		p.Notes = append(p.Notes, "the store is valid")
		return p, nil
	}
	if err := s.room(); err != nil {
		return nil, err
	}
	if err := s.clearStale(ctx, p, dev); err != nil {
		return nil, err
	}
	header := s.st.Header()
	header.Valid = 1
	p.Stages = append(p.Stages, Stage{
		Say:    "mark the store valid in its header",
		Bytes:  cow.HeaderSize,
		device: dev, barrier: true,
		writes: those(write{0, header.AppendTo(nil)}),
	})
	p.Notes = append(p.Notes, "this is right only if the origin has not been written to since the snapshot was invalidated")
	p.check = expect(dev, opt.OriginBytes, verify.Clean, verify.Leaked)
	return p, nil
}

// grown plans to grow the store's file, if that is needed to give it the room.
// It returns the store as it will be then.
func (s *subject) grown(ctx context.Context, p *Plan, opt RevalidateOptions) (*subject, error) {
	free := s.dev.Size() - s.offset(s.geometry().SkipMetadata(s.report.Usage.NextFreeChunk))
	switch {
	case opt.GrowBy <= 0:
		return s, nil
	case free >= opt.GrowBy:
		p.Notes = append(p.Notes, fmt.Sprintf("the store has %s free, and is not enlarged", count.Of(free, "byte")))
		return s, nil
	}
	if opt.GrowBy > math.MaxInt64-s.dev.Size() {
		return nil, noFileHas(opt.GrowBy)
	}
	to := s.dev.Size() + opt.GrowBy
	stage, err := growing(s.dev, to)
	if err != nil {
		return nil, err
	}
	p.Stages = append(p.Stages, stage)
	p.Notes = append(p.Notes, "an undo brings back the records and the header; the file stays larger, as it may be in use by then")
	return examine(ctx, larger{s.dev, to}, opt.OriginBytes)
}

// room fails if the next write would invalidate the snapshot at once. The
// kernel needs the next chunk and, if that fills an area, one more for the next
// area.
func (s *subject) room() error {
	g, device := s.geometry(), s.st.Bounds().DeviceChunks
	next := g.SkipMetadata(s.report.Usage.NextFreeChunk)
	need := next + 1
	if n := s.report.Usage.Exceptions + 1; n%g.ExceptionsPerArea() == 0 {
		need = max(need, g.AreaChunk(n/g.ExceptionsPerArea())+1)
	}
	if uint64(need) <= device {
		return nil
	}
	return fmt.Errorf("%w: the next write would invalidate the snapshot again: it needs %d bytes, but the store has %d", ErrRoom, s.offset(need), s.st.Size())
}
