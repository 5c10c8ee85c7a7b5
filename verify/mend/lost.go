package mend

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// lostHeader plans to rewrite a header that is missing or unusable, if the
// areas reveal the chunk size. Whether the snapshot was invalidated is unknown
// then, and the new header says that it was. It returns the device as it will be then, or dev
// itself if the header is there.
func lostHeader(ctx context.Context, dev blockdev.Device, originBytes int64, p *Plan) (blockdev.Device, error) {
	_, err := store.Open(dev, dev.Size())
	if err == nil || errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrTooShort) {
		return dev, nil // there is one; examine judges it
	}
	var alien *store.FormatError
	if !errors.As(err, &alien) {
		return nil, err
	}
	chunk, err := findChunkSize(ctx, dev, originBytes)
	if err != nil || chunk == 0 {
		return dev, err
	}
	h := cow.NewHeader(chunk)
	h.Valid = 0 // nothing else in the old one can be trusted
	p.Notes = append(p.Notes, "without the old header it is unknown whether the snapshot had been invalidated: the new one says so, as the origin may have changed since")
	header := write{0, h.AppendTo(nil)}
	p.Stages = append(p.Stages, Stage{
		Say:    fmt.Sprintf("write a new header with chunks of %s, as the areas show; now: %s", count.Of(chunk, "sector"), alien.Detail),
		Bytes:  cow.HeaderSize,
		device: dev, writes: those(header), barrier: true,
	})
	p.Beyond = true
	with := newOverlay(dev)
	_, err = with.WriteAt(header.data, 0)
	return with, err
}

// findChunkSize tries each chunk size on the areas. It returns 0 if none gives
// a sound store with exceptions, and an error if several do.
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
			return 0, fmt.Errorf("%w: the areas fit chunks of %s as well as of %d", ErrUncertain, count.Of(found, "sector"), chunk)
		}
		found = chunk
	}
	return found, nil
}
