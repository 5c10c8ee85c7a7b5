package mend

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// RevalidateOptions says how to revalidate a store.
type RevalidateOptions struct {
	OriginBytes int64 // 0 if unknown
	// GrowBy grows the store's file in the same run, in bytes. Without room,
	// the next write would invalidate the snapshot again.
	GrowBy int64
}

// Revalidate plans to make an invalidated store valid again. This is right only
// if the origin has not changed since the kernel invalidated the snapshot:
// later writes to it were not copied. The caller vouches for that.
func Revalidate(ctx context.Context, dev blockdev.Device, opt RevalidateOptions) (*Plan, error) {
	p := &Plan{Title: "make the store valid again", Resume: "the store is still marked invalid: run it again to finish"}
	at := dev
	if opt.GrowBy > 0 {
		grown := dev.Size() + opt.GrowBy
		stage, err := growing(dev, grown)
		if err != nil {
			return nil, err
		}
		p.Stages = append(p.Stages, stage)
		at = larger{dev, grown}
	}
	s, err := examine(ctx, at, opt.OriginBytes)
	if err != nil {
		return nil, err
	}
	if err := s.sound(verify.SnapshotInvalid); err != nil {
		return nil, err
	}
	if s.report.Header.Valid {
		p.Stages = nil
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
