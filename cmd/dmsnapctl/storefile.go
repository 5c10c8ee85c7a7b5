// Opening and judging stores. An active store is read past the page cache, since
// the kernel writes below it.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// storeFile is a store opened for reading.
type storeFile struct {
	path   string
	file   *blockdev.File
	from   *blockdev.File // to read from
	active *activity      // nil if the store is not active
	// guessed is the chunk size with which image read a store that lost its
	// header; 0 for one that did not.
	guessed cow.Sectors
}

// openStoreFile opens a store. One that the kernel has active is read past the
// page cache, below which the kernel writes.
func openStoreFile(ctx context.Context, o *console, path string) (*storeFile, error) {
	file, err := o.openInput(path)
	if err != nil {
		return nil, adviseOpening(err, "a COW device or file")
	}
	if err := refuseRoles(ctx, o, file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s := &storeFile{path: path, file: file, from: file}
	if s.active, err = activityOf(ctx, file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if s.active == nil {
		return s, nil
	}
	if s.from, err = file.Direct(); err != nil {
		return nil, errors.Join(err, s.active.close(), file.Close())
	}
	o.warnf("%s is in use by %s and may change while it is read", path, s.active.by)
	return s, nil
}

func (s *storeFile) close() error {
	err := s.file.Close()
	if s.active != nil {
		err = errors.Join(err, s.active.close())
	}
	if s.from != s.file {
		err = errors.Join(err, s.from.Close())
	}
	return err
}

// isInvalidated reports whether the store's header says that the kernel has
// invalidated its snapshot.
func (s *storeFile) isInvalidated(ctx context.Context) (bool, error) {
	r, err := verify.Verify(ctx, newPatientReader(s.from), s.file.Size(), verify.Options{HeaderOnly: true})
	if err != nil {
		return false, err
	}
	return r.Verdict == verify.Invalid, nil
}

// judge judges the store, with its progress on stderr.
func (s *storeFile) judge(ctx context.Context, o *console, opt verify.Options) (*judged, error) {
	if s.active != nil {
		opt.Live = s.active.look
	}
	if s.file.IsBlockDevice() {
		opt.BlockBytes = s.file.LogicalBlockSize()
	}
	tuneRuntime()
	shown := startProgress(o, s.path)
	defer shown.stop()
	opt.Progress = shown.update
	report, err := verify.Verify(ctx, newPatientReader(s.from), s.file.Size(), opt)
	if report == nil {
		return nil, err
	}
	return &judged{Schema: schemaOf(o.command), Path: s.path, Report: report, Advice: []advice{}}, err
}

// image is what the store and the origin show. A best effort reads a store that
// lost its header as a repair would leave it, and writes nothing.
func (s *storeFile) image(ctx context.Context, o *console, origin *blockdev.File, bestEffort bool) (*image.Image, *verify.Report, error) {
	from := io.ReaderAt(s.from)
	if bestEffort {
		with, chunk, err := mend.WithHeader(ctx, s.from, origin.Size())
		if err != nil {
			return nil, nil, err
		}
		if from, s.guessed = with, chunk; chunk > 0 {
			o.warnf("%s has lost its header: it is read with chunks of %s, as its areas show, and like that of an invalidated snapshot", s.path, count.Of(chunk, "sector"))
		}
	}
	im, report, err := image.Open(ctx, image.Source{
		Store: newPatientReader(from), StoreSize: s.file.Size(), Origin: origin, OriginSize: origin.Size(),
	}, image.Options{BestEffort: bestEffort})
	if err == nil && report.Verdict == verify.Empty {
		if err := mend.CheckEmpty(ctx, s.from, origin.Size()); err != nil {
			return nil, report, errors.Join(err, im.Close())
		}
	}
	if err != nil && !bestEffort {
		err = s.adviseBestEffort(ctx, err, origin.Size())
	}
	return im, report, err
}

// adviseBestEffort adds to the error of an image that a best effort would make
// one.
func (s *storeFile) adviseBestEffort(ctx context.Context, err error, originBytes int64) error {
	if errors.Is(err, verify.ErrDamaged) || errors.Is(err, verify.ErrInvalid) || errors.Is(err, verify.ErrUnreadable) {
		return fmt.Errorf("%w; --best-effort takes what is left", err)
	}
	if errors.Is(err, verify.ErrHeaderLost) {
		return fmt.Errorf("%w; --best-effort reads it", err)
	}
	if errors.Is(err, verify.ErrNotStore) && errors.Is(mend.CheckEmpty(ctx, s.from, originBytes), verify.ErrHeaderLost) {
		return fmt.Errorf("%w, but the areas of a store are there; --best-effort reads it, and `dmsnapctl repair` writes a new header", err)
	}
	return err
}

// whyNoList is why a store's list of exceptions cannot be read, if its report has
// no Usage.
func whyNoList(r *verify.Report) error {
	if err := r.Err(); errors.Is(err, verify.ErrHeaderLost) {
		return err
	}
	return errors.New(verdictLine(r))
}

// toolCode is the exit code of a command that reads a store's content, for which
// leaks, copies in flight and stale records do not matter.
func toolCode(r *verify.Report) int {
	if r.Verdict == verify.Unsettled {
		return exitFine
	}
	if code := verdictCode(r); code != exitWarning {
		return code
	}
	return exitFine
}

// originFlags say how large the origin is.
func originFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "origin", Usage: "the origin's `DEVICE`, for its size"},
		&cli.StringFlag{Name: "origin-size", Usage: "the origin's `SIZE`"},
	}
}

// judged is a report with the store's name: what verify and map print as JSON.
type judged struct {
	Schema string `json:"schema"`
	Path   string `json:"path"`
	*verify.Report
	Advice []advice `json:"advice"`
}

// judgeStore opens, judges and closes a store. One that the kernel has active
// is read past the page cache, below which the kernel writes.
func judgeStore(ctx context.Context, o *console, path string, opt verify.Options) (r *judged, err error) {
	s, err := openStoreFile(ctx, o, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.judge(ctx, o, opt)
}

// adviseOpening adds what to do about a file that cannot be opened.
func adviseOpening(err error, what string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, blockdev.ErrUnsupported):
		return fmt.Errorf("%w; name %s", err, what)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run as root, or as a user who may read it", err)
	}
	return err
}

// tuneRuntime configures Go's runtime for judging.
func tuneRuntime() {
	// The judge bounds the memory that it keeps; this bounds its garbage.
	debug.SetMemoryLimit(judgeMemory)
}

// originBytesOf is the origin's size from --origin or --origin-size; 0 without
// them.
func originBytesOf(c *cli.Context) (int64, error) {
	name := commandName(c)
	size, given, err := sizeFlag(c, "origin-size")
	if err != nil {
		return 0, err
	}
	if given && c.IsSet("origin") {
		return 0, usagef("%s: --origin and --origin-size exclude each other", name)
	}
	if given && size > math.MaxInt64 {
		return 0, usagef("%s: --origin-size %d: no device has more than 2^63 bytes", name, size)
	}
	if given && size == 0 {
		return 0, usagef("%s: --origin-size 0: an origin cannot be empty; leave the flag out if the size is unknown", name)
	}
	bytes := int64(size)
	if c.IsSet("origin") {
		origin, err := outputOf(c).openInput(c.String("origin"))
		if err != nil {
			return 0, fmt.Errorf("%s: the origin: %w", name, adviseOpening(err, "the origin's device, or give --origin-size"))
		}
		bytes = origin.Size()
		if err := origin.Close(); err != nil || bytes > 0 {
			return bytes, err
		}
		return 0, fmt.Errorf("%s: the origin %s has 0 bytes: not set up, or not an origin; name another, or leave --origin out", name, origin.Path())
	}
	return bytes, nil
}
