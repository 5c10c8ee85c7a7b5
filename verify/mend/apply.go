package mend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// Apply plans an offline merge: it copies the snapshot's chunks to the origin
// and then empties the store. The copy can be repeated any number of times: the
// store does not change until the origin has everything, and from then on the
// origin alone is the image.
//
// If both devices are one, the error wraps ErrOneDevice. Close the image after the
// plan has run.
func Apply(ctx context.Context, dev, origin blockdev.Device) (*Plan, *image.Image, error) {
	if err := apart(dev, "store", origin, "origin"); err != nil {
		return nil, nil, err
	}
	p := &Plan{
		Title:  "apply the store to the origin",
		Resume: "store and origin together still hold the snapshot's image", Again: true,
	}
	im, report, err := image.Open(ctx, image.Source{Store: dev, StoreSize: dev.Size(), Origin: origin, OriginSize: origin.Size()}, image.Options{})
	switch {
	case err != nil:
		return nil, nil, err
	case report.Verdict == verify.Empty: // applied before, unless only the header is lost
		if err := CheckEmpty(ctx, dev, origin.Size()); err != nil {
			return nil, nil, errors.Join(err, im.Close())
		}
		return p, im, nil
	}
	s, err := examine(ctx, dev, origin.Size())
	if err != nil {
		return nil, nil, errors.Join(err, im.Close())
	}
	total, err := image.Length(im.Changed())
	if err != nil {
		return nil, nil, errors.Join(err, im.Close())
	}
	chunk := s.geometry().ChunkBytes()
	areas := s.offset(s.geometry().AreaChunk(0))
	p.Stages = []Stage{
		{
			Say:    fmt.Sprintf("copy %d bytes of %s to the origin", total, count.Of(s.report.Usage.Exceptions, "exception")),
			Bytes:  total,
			device: origin, barrier: true,
			writes: copyImage(ctx, im),
		},
		{
			Say:    "empty area 0 of the store: from here on the origin alone is the image",
			Bytes:  chunk,
			device: dev, barrier: true,
			writes: zeroed(areas, areas+chunk),
		},
		{
			// Before the header: a device without a header is blank only if this part is.
			Say:    "clear what else stands at the start of the store",
			Bytes:  max(0, min(dev.Size(), blockdev.BlankHead)-(areas+chunk)),
			device: dev, barrier: true,
			writes: zeroed(areas+chunk, min(dev.Size(), blockdev.BlankHead)),
		},
		{
			Say:    "clear the header of the store",
			Bytes:  cow.HeaderSize,
			device: dev, barrier: true,
			writes: func(yield func(write, error) bool) { yield(write{0, make([]byte, cow.HeaderSize)}, nil) },
		},
	}
	p.check = func(ctx context.Context) error { return checkEmptied(ctx, dev, areas, chunk) }
	return p, im, nil
}

// checkEmptied checks that a store whose area 0 was at this place is empty now. The
// data that is left can look like an area of another chunk size, as that of a
// store within the image does.
func checkEmptied(ctx context.Context, dev blockdev.Device, area, chunk int64) error {
	report, err := verify.Verify(ctx, dev, dev.Size(), verify.Options{})
	if err != nil || report.Verdict == verify.Empty {
		return err
	}
	if errors.Is(report.Err(), verify.ErrHeaderLost) {
		left, err := blockdev.FirstNonZero(io.NewSectionReader(dev, area, chunk), chunk)
		if err != nil || left < 0 {
			return err
		}
	}
	return fmt.Errorf("%w: the store is %s now", verify.ErrDamaged, report.Verdict)
}

// copyImage yields the writes that copy the changed parts to the origin.
func copyImage(ctx context.Context, im *image.Image) iter.Seq2[write, error] {
	return passed(func(take func(at int64, b []byte) error) error { return im.CopyStored(ctx, take) })
}
