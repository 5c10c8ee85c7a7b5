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

// lostHeader plans to write a header anew where there is none, or one of no
// use, and the areas tell the chunk size. The result is the device as it will
// be then; dev itself where its header is there.
func lostHeader(ctx context.Context, dev blockdev.Device, originBytes int64, p *Plan) (blockdev.Device, error) {
	_, err := store.Open(dev, dev.Size())
	if err == nil || errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrTooShort) {
		return dev, nil // there is one; examine knows what to say of it
	}
	var alien *store.FormatError
	if !errors.As(err, &alien) {
		return nil, err
	}
	chunk, err := findChunkSize(ctx, dev, originBytes)
	if err != nil || chunk == 0 {
		return dev, err
	}
	header := write{0, cow.NewHeader(chunk).AppendTo(nil)}
	p.Stages = append(p.Stages, Stage{
		Say:    fmt.Sprintf("write the header anew: chunks of %d sectors, which the areas show; now it has: %s", chunk, alien.Detail),
		Bytes:  cow.HeaderSize,
		device: dev, writes: those(header), barrier: true,
	})
	p.Notes = append(p.Notes, "whether the snapshot had been invalidated cannot be told without the old header")
	with := newOverlay(dev)
	_, err = with.WriteAt(header.data, 0)
	return with, err
}

// findChunkSize tries each chunk size on the areas; 0 where none makes a sound
// store with exceptions, an error where several do.
func findChunkSize(ctx context.Context, dev blockdev.Device, originBytes int64) (cow.Sectors, error) {
	var found cow.Sectors
	for chunk := cow.Sectors(1); chunk <= cow.MaxChunkSize && int64(chunk)*2*cow.SectorSize <= dev.Size(); chunk *= 2 {
		with := newOverlay(dev)
		if _, err := with.WriteAt(cow.NewHeader(chunk).AppendTo(nil), 0); err != nil {
			return 0, err
		}
		report, err := verify.Verify(ctx, with, with.Size(), verify.Options{OriginBytes: originBytes, MaxFindings: -1})
		if err != nil {
			return 0, err
		}
		switch report.Verdict {
		case verify.Clean, verify.Leaked, verify.Stale:
			if report.Usage.Exceptions == 0 {
				continue
			}
		default:
			continue
		}
		if found != 0 {
			return 0, fmt.Errorf("%w: the areas fit chunks of %d sectors as well as of %d", ErrUncertain, found, chunk)
		}
		found = chunk
	}
	return found, nil
}
