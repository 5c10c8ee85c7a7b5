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

// Reasons why there is no plan.
var (
	// ErrNotStore: there is no store of a known format.
	ErrNotStore = errors.New("no COW store")
	// ErrDamaged: the store is damaged in a way that the plan does not mend.
	ErrDamaged = errors.New("the store is damaged")
	// ErrInvalid: the kernel has invalidated the snapshot.
	ErrInvalid = errors.New("the snapshot was invalidated")
	// ErrRoom: a device is too small.
	ErrRoom = errors.New("too little room")
	// ErrUncertain: what would be written is not certain.
	ErrUncertain = errors.New("not certain")
)

// subject is a store that is to be mended, and what the judge says of it.
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
		return s, fmt.Errorf("%w: the store is fresh and holds nothing", ErrNotStore)
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

// reason is the judge's first complaint.
func (s *subject) reason() string {
	for _, f := range s.report.Findings {
		if f.Severity == verify.Error {
			return f.Message
		}
	}
	return string(s.report.Verdict)
}

// sound fails where the judge has errors beside those that are allowed.
func (s *subject) sound(allowed ...verify.Code) error {
	ok := map[verify.Code]bool{}
	for _, c := range allowed {
		ok[c] = true
	}
	for _, f := range s.report.Findings {
		if f.Severity == verify.Error && !ok[f.Code] {
			if f.Code == verify.SnapshotInvalid {
				return fmt.Errorf("%w: %s", ErrInvalid, f.Message)
			}
			return fmt.Errorf("%w: %s", ErrDamaged, f.Message)
		}
	}
	for code, n := range s.report.Counts { // of findings that are not written out
		if n > 0 && verify.SeverityOf(code) == verify.Error && !ok[code] {
			return fmt.Errorf("%w: %s", ErrDamaged, code)
		}
	}
	return nil
}

func (s *subject) geometry() cow.Geometry { return s.st.Geometry() }

// offset is where a chunk of the device lies, in bytes.
func (s *subject) offset(c cow.Chunk) int64 {
	off, _ := s.geometry().Offset(c)
	return int64(off)
}

// expect is a check of a plan's result: one of these verdicts.
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
