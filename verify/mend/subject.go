package mend

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// The reasons why there is no plan, besides those of verify.
var (
	// ErrRoom says that a device is too small.
	ErrRoom = errors.New("too little room")
	// ErrOneDevice says that a device would be both written and read.
	ErrOneDevice = errors.New("one device cannot be both")
	// ErrUncertain says that the content to write is not certain.
	ErrUncertain = errors.New("not certain")
	// ErrOtherUndo says that an undo file exists but does not undo this change.
	ErrOtherUndo = errors.New("the undo file is for something else")
)

// subject is a store to mend, and the judge's report on it.
type subject struct {
	dev    blockdev.Device
	st     *store.Store
	report *verify.Report
}

// apart fails if two devices of a plan are one.
func apart(a blockdev.Device, what string, b blockdev.Device, other string) error {
	same, err := blockdev.Same(a, b)
	if err == nil && same {
		err = fmt.Errorf("the %s and the %s: %w", what, other, ErrOneDevice)
	}
	return err
}

// examine judges a store.
func examine(ctx context.Context, dev blockdev.Device, originBytes int64) (*subject, error) {
	report, err := verify.Verify(ctx, dev, dev.Size(), verify.Options{OriginBytes: originBytes})
	if err != nil {
		return nil, err
	}
	s := &subject{dev: dev, report: report}
	if report.Verdict == verify.Empty {
		return s, fmt.Errorf("%w: the store is fresh and empty", verify.ErrNotStore)
	}
	if report.Usage == nil {
		return s, report.Err()
	}
	if s.st, err = store.Open(dev, dev.Size()); err != nil {
		return nil, err
	}
	s.st.OriginBytes = originBytes
	return s, nil
}

// sound fails if the judge found errors other than the allowed ones.
func (s *subject) sound(allowed ...verify.Code) error { return s.report.Err(allowed...) }

func (s *subject) geometry() cow.Geometry { return s.st.Geometry() }

// offset is the offset of a chunk on the device, in bytes.
func (s *subject) offset(c cow.Chunk) int64 {
	off, _ := s.geometry().Offset(c)
	return int64(off)
}

// expect returns a check that a plan's result has one of these verdicts.
func expect(dev blockdev.Device, originBytes int64, verdicts ...verify.Verdict) func(context.Context) error {
	return func(ctx context.Context) error {
		report, err := verify.Verify(ctx, dev, dev.Size(), verify.Options{OriginBytes: originBytes})
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			if report.Verdict == v {
				return nil
			}
		}
		return fmt.Errorf("%w: the store is %s now", verify.ErrDamaged, report.Verdict)
	}
}
