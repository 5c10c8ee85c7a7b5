package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// Source is a store and its origin.
type Source struct {
	Store      io.ReaderAt
	StoreSize  int64 // bytes
	Origin     io.ReaderAt
	OriginSize int64 // bytes; the image has its whole sectors
}

// Options says how to make an image. The zero value is usable.
type Options struct {
	// BestEffort makes an image even if part of it is uncertain: it uses the
	// exceptions that can be right and can be read, and takes the origin as it is.
	BestEffort bool
	// MemoryBytes bounds the index in memory, in bytes; 0 means
	// DefaultMemoryBytes.
	MemoryBytes int64
	// SpillDir is the directory for a larger index; "" means the system's
	// directory for temporary files.
	SpillDir string
}

// Open judges the store and makes the image. If the store does not allow one,
// the error is that of the report, verify.Report.Err. The report is set even on
// an error, unless not even the header can be read.
func Open(ctx context.Context, src Source, opt Options) (*Image, *verify.Report, error) {
	if src.OriginSize < cow.SectorSize {
		return nil, nil, fmt.Errorf("an origin of %s is less than a sector", count.Of(src.OriginSize, "byte"))
	}
	report, err := verify.Verify(ctx, src.Store, src.StoreSize, verify.Options{OriginBytes: src.OriginSize})
	if err != nil {
		return nil, report, err
	}
	im := &Image{
		store: src.Store, origin: src.Origin, index: memory(nil), report: report,
		size: src.OriginSize / cow.SectorSize * cow.SectorSize,
	}
	if report.Verdict == verify.Empty {
		return im, report, nil
	}
	if err := report.Err(); err != nil && (report.Usage == nil || !opt.BestEffort) {
		return nil, report, err
	}
	if err := im.read(ctx, src, opt); err != nil {
		return nil, report, err
	}
	return im, report, nil
}

// read makes the index.
func (im *Image) read(ctx context.Context, src Source, opt Options) error {
	st, err := store.Open(src.Store, src.StoreSize)
	if err != nil {
		return err
	}
	st.OriginBytes = src.OriginSize
	im.geometry = st.Geometry()
	if !opt.BestEffort {
		im.list = st
	}
	b, bounds := newBuilder(opt.MemoryBytes, opt.SpillDir), st.Bounds()
	_, errList := st.Pieces(ctx, 0, func(p store.Piece) bool {
		for _, e := range cow.Exceptions(p.Records) {
			if !bounds.Fits(e) {
				continue // the report names it
			}
			if err = b.add(e); err != nil {
				return false
			}
		}
		return true
	})
	if err = errors.Join(err, errList); err != nil {
		return errors.Join(err, b.close())
	}
	im.index, err = b.finish(func(cow.Chunk, uint64) {})
	if err != nil {
		return errors.Join(err, b.close())
	}
	return nil
}

// certainCodes are errors that leave the other exceptions reliable: they
// concern the end of the list, or the header.
var certainCodes = map[verify.Code]bool{
	verify.SnapshotInvalid: true, verify.TruncatedArea: true, verify.UnreadableArea: true,
}

// Certain yields the parts of the image that the snapshot is known to have
// shown, joined and in order. The rest, Uncertain, is what the origin holds
// now.
func (im *Image) Certain() iter.Seq2[Span, error] {
	switch im.report.Verdict {
	case verify.Empty, verify.Clean, verify.Leaked, verify.Stale:
		return without(nothing, im.size)
	}
	for code, n := range im.report.Counts {
		if n > 0 && verify.SeverityOf(code) == verify.Error && !certainCodes[code] {
			return nothing
		}
	}
	return im.Changed()
}

// Uncertain yields the parts of the image that are not Certain.
func (im *Image) Uncertain() iter.Seq2[Span, error] { return without(im.Certain(), im.size) }

func nothing(func(Span, error) bool) {}
