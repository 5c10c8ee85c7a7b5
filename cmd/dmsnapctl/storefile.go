// Stores that are read: found, opened past the page cache where the kernel
// writes below it, and judged.

package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// storeFile is a store that is read.
type storeFile struct {
	path   string
	file   *blockdev.File
	from   *blockdev.File // to read from
	active *activity      // nil where nobody has it active
}

// openStoreFile opens a store. One that the kernel has active is read past the
// page cache, below which the kernel writes.
func openStoreFile(ctx context.Context, o *console, path string) (*storeFile, error) {
	file, err := blockdev.Open(path)
	if err != nil {
		return nil, adviseOpening(err, "a COW device or file")
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
	o.warnf("%s is in use by %s: it is read as a moving target", path, s.active.by)
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

// judge judges the store, with its progress on stderr.
func (s *storeFile) judge(ctx context.Context, o *console, opt verify.Options) (*judged, error) {
	if s.active != nil {
		opt.Status = s.active.status
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
	return &judged{Schema: schemaOf(o.command), Path: s.path, Report: report}, err
}

// toolCode is the exit code of a command that reads what a store holds: leaks
// and stale records are no concern of it.
func toolCode(r *verify.Report) int {
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
