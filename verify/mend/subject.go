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

// The reasons why there is no plan.
var (
	// ErrNotStore says that there is no store of a known format.
	ErrNotStore = errors.New("not a COW store")
	// ErrDamaged says that the plan cannot mend the damage in the store.
	ErrDamaged = errors.New("the store is damaged")
	// ErrUnreadable says that a part of the store's list could not be read.
	ErrUnreadable = errors.New("not all of the store can be read")
	// ErrInvalid says that the kernel has invalidated the snapshot.
	ErrInvalid = errors.New("the snapshot was invalidated")
	// ErrRoom says that a device is too small.
	ErrRoom = errors.New("too little room")
	// ErrUncertain says that the content to write is not certain.
	ErrUncertain = errors.New("not certain")
)

// subject is a store to mend, and the judge's report on it.
type subject struct {
	dev    blockdev.Device
	st     *store.Store
	report *verify.Report
}

// examine judges a store.
func examine(ctx context.Context, dev blockdev.Device, originBytes int64) (*subject, error) {
	report, err := verify.Verify(ctx, dev, dev.Size(), verify.Options{OriginBytes: originBytes})
	if err != nil {
		return nil, err
	}
	s := &subject{dev: dev, report: report}
	if report.Verdict == verify.Empty {
		return s, fmt.Errorf("%w: the store is fresh and empty", ErrNotStore)
	}
	if report.Usage == nil {
		return s, fmt.Errorf("%w: %s", ErrNotStore, s.reason())
	}
	if s.st, err = store.Open(dev, dev.Size()); err != nil {
		return nil, err
	}
	s.st.OriginBytes = originBytes
	return s, nil
}

// reason is the first message in the judge's report.
func (s *subject) reason() string {
	for _, f := range s.report.Findings {
		if f.Severity == verify.Error {
			return f.Message
		}
	}
	return string(s.report.Verdict)
}

// messageOf is what the judge says about a code.
func (s *subject) messageOf(code verify.Code) string {
	for _, f := range s.report.Findings {
		if f.Code == code {
			return f.Message
		}
	}
	return string(code)
}

// sound fails if the judge found errors other than the allowed ones.
func (s *subject) sound(allowed ...verify.Code) error {
	ok := map[verify.Code]bool{}
	for _, c := range allowed {
		ok[c] = true
	}
	if s.report.Unreadable() { // whatever else there is
		return fmt.Errorf("%w: %s", ErrUnreadable, s.messageOf(verify.UnreadableArea))
	}
	for _, f := range s.report.Findings {
		if f.Severity == verify.Error && !ok[f.Code] {
			if f.Code == verify.SnapshotInvalid {
				return fmt.Errorf("%w: %s", ErrInvalid, f.Message)
			}
			return fmt.Errorf("%w: %s", ErrDamaged, f.Message)
		}
	}
	for code, n := range s.report.Counts { // of findings not listed
		if n > 0 && verify.SeverityOf(code) == verify.Error && !ok[code] {
			return fmt.Errorf("%w: %s", ErrDamaged, code)
		}
	}
	return nil
}

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
		return fmt.Errorf("%w: the store is %s now", ErrDamaged, report.Verdict)
	}
}
