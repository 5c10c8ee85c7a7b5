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
// then, and the new header says that it was. It returns the device as it will be
// with the new header, or dev itself if the header is there.
func lostHeader(ctx context.Context, dev blockdev.Device, originBytes int64, p *Plan) (blockdev.Device, error) {
	found, err := findHeader(ctx, dev, originBytes)
	if err != nil || found.now == nil {
		return dev, err
	}
	header, chunk := write{0, found.header.AppendTo(nil)}, found.header.ChunkSectors()
	p.Notes = append(p.Notes, "without the old header it is unknown whether the snapshot had been invalidated: the new one says so, as the origin may have changed since")
	p.Stages = append(p.Stages, Stage{
		Say:    fmt.Sprintf("write a new header with chunks of %s, as the areas show; now: %s", count.Of(chunk, "sector"), found.now.Detail),
		Bytes:  cow.HeaderSize,
		device: dev, writes: those(header), barrier: true,
	})
	p.Beyond = true
	return found.on(dev)
}

// WithHeader returns a store with the header that Repair would give it, in memory,
// and the chunk size in that header. Nothing is written. If the store has a header,
// or if the areas do not show the chunk size, it returns r itself and 0. If they
// show several, the error wraps ErrUncertain.
func WithHeader(ctx context.Context, r Readable, originBytes int64) (with Readable, chunk cow.Sectors, err error) {
	found, err := findHeader(ctx, r, originBytes)
	if err != nil || found.now == nil {
		return r, 0, err
	}
	with, err = found.on(r)
	return with, found.header.ChunkSectors(), err
}

// CheckEmpty fails with verify.ErrHeaderLost if a device that the judge calls empty
// has the areas of a store. The judge looks at the start of the first area, and
// wants nothing foreign there; this looks at whole lists.
func CheckEmpty(ctx context.Context, r Readable, originBytes int64) error {
	found, err := findHeader(ctx, r, originBytes)
	if err != nil || found.now == nil {
		return err
	}
	chunk := found.header.ChunkSectors()
	return fmt.Errorf("%w: the device looks empty, but has the areas of a store with chunks of %s, the first at byte %d", verify.ErrHeaderLost, count.Of(chunk, "sector"), uint64(chunk)*cow.SectorSize)
}

// foundHeader is the header for a store that has lost its own.
type foundHeader struct {
	header cow.Header
	now    *store.FormatError // what is there instead; nil if no header was found
}

// on is the store with this header.
func (f foundHeader) on(r Readable) (*overlay, error) {
	with := newOverlay(r)
	_, err := with.WriteAt(f.header.AppendTo(nil), 0)
	return with, err
}

// findHeader finds the header for a store that lacks one, if the areas show it.
func findHeader(ctx context.Context, r Readable, originBytes int64) (f foundHeader, err error) {
	_, err = store.Open(r, r.Size())
	if err == nil || errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrTooShort) {
		return f, nil // there is one; others judge it
	}
	var alien *store.FormatError
	if !errors.As(err, &alien) {
		return f, err
	}
	chunk, err := findChunkSize(ctx, r, originBytes)
	if err == nil && chunk == 0 {
		err = checkHeadless(ctx, r, originBytes)
	}
	if err != nil || chunk == 0 {
		return f, err
	}
	f = foundHeader{cow.NewHeader(chunk), alien}
	f.header.Valid = 0 // nothing else in the old one can be trusted
	return f, nil
}

// checkHeadless fails with ErrUncertain if the judge sees areas from which no
// header can be derived.
func checkHeadless(ctx context.Context, r Readable, originBytes int64) error {
	report, err := verify.Verify(ctx, r, r.Size(), verify.Options{OriginBytes: originBytes, HeaderOnly: true})
	if err != nil {
		return err
	}
	if err := report.Err(); errors.Is(err, verify.ErrHeaderLost) {
		return fmt.Errorf("%w: %w, and they are not those of a sound store", ErrUncertain, err)
	}
	return nil
}

// findChunkSize tries each chunk size on the areas. It returns 0 if none gives
// a sound store with exceptions, and an error if several do.
func findChunkSize(ctx context.Context, dev Readable, originBytes int64) (cow.Sectors, error) {
	var found cow.Sectors
	for chunk := cow.Sectors(1); chunk <= cow.MaxChunkSize && int64(chunk)*2*cow.SectorSize <= dev.Size(); chunk *= 2 {
		if likely, err := canBegin(dev, chunk); err != nil {
			return 0, err
		} else if !likely {
			continue
		}
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

// canBegin reports whether the first record of a store with this chunk size can be
// an exception of a sound one: its chunk can hold data. That spares a device that
// never had a store a read of all the areas that it could have.
func canBegin(dev Readable, chunk cow.Sectors) (bool, error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return false, err
	}
	var b [cow.ExceptionSize]byte
	if err := readFull(dev, b[:], int64(g.RecordOffset(0, 0))); err != nil {
		return true, nil // the judge says what that means
	}
	first := cow.DecodeException(b[:]).New
	return !g.IsMetadata(first) && g.BoundsOf(dev.Size(), 0).OnDevice(first), nil
}
