package mend

import (
	"context"
	"fmt"
	"math"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Grow plans to make the file of a sound store larger, by this many bytes
// rounded up to whole chunks. The kernel needs nothing more: it asks for the
// size of a COW device when the snapshot is activated.
func Grow(ctx context.Context, dev blockdev.Device, by int64) (*Plan, error) {
	p := &Plan{Title: "enlarge the store", Resume: "the store is whole, and its file has the old size or the new one"}
	if by <= 0 {
		return nil, fmt.Errorf("%w: growing by %d bytes", ErrRoom, by)
	}
	s, err := examine(ctx, dev, 0)
	if err != nil {
		return nil, err
	}
	if err := s.sound(); err != nil {
		return nil, err
	}
	if by > math.MaxInt64-dev.Size() {
		return nil, noFileHas(by)
	}
	to, ok := s.geometry().RoundUp(dev.Size() + by)
	if !ok {
		return nil, noFileHas(by)
	}
	stage, err := growing(dev, to)
	if err != nil {
		return nil, err
	}
	p.Stages = []Stage{stage}
	p.check = expect(dev, 0, s.report.Verdict)
	return p, nil
}

func noFileHas(by int64) error {
	return fmt.Errorf("%w: no file has room for %d bytes more", ErrRoom, by)
}

// growing is the stage that gives a store's file a size.
func growing(dev blockdev.Device, to int64) (Stage, error) {
	if _, ok := dev.(Grower); !ok {
		return Stage{}, fmt.Errorf("%w: the store is not a plain file, which could be grown", ErrRoom)
	}
	return Stage{
		Say:    fmt.Sprintf("grow the file from %d to %d bytes", dev.Size(), to),
		device: dev, grow: to, barrier: true,
	}, nil
}
