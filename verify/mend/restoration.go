package mend

import (
	"context"
	"errors"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// NewFile is a new file to write a store to and to judge afterwards.
type NewFile interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// Restoration is a dump that is to be written to a new file, with the chunks of
// the device that it was made from.
type Restoration struct {
	dump io.ReadSeeker
	opt  RestoreOptions
	size int64
	plan *Plan
}

// PlanRestoration reads a dump, and checks that what it names has room in a new
// file of size bytes. If it has none, the error wraps ErrRoom. Data is the
// device that the dump was made from.
func PlanRestoration(ctx context.Context, dump io.ReadSeeker, data blockdev.Device, size int64) (*Restoration, error) {
	r := &Restoration{dump: dump, opt: RestoreOptions{Data: data}, size: size}
	var err error
	r.plan, err = r.planOn(ctx, fresh{blank{}, size})
	return r, err
}

func (r *Restoration) planOn(ctx context.Context, dev blockdev.Device) (*Plan, error) {
	p, err := Restore(ctx, r.dump, dev, r.opt)
	if err != nil {
		return nil, err
	}
	p.Resume, p.Again = "the new file is not complete", false // another run makes another file
	return p, nil
}

// Plan says what Write does. It cannot be run: the file is not there yet.
func (r *Restoration) Plan() *Plan { return r.plan }

// Write writes the new file, which must read as zeros and have the planned size.
// If it does not finish, the error is a *Stopped, and the file is useless.
func (r *Restoration) Write(ctx context.Context, f NewFile, progress func(Progress)) error {
	p, err := r.planOn(ctx, fresh{f, r.size})
	if err != nil {
		return err
	}
	return p.Run(ctx, progress)
}

// fresh is a new file of size bytes.
type fresh struct {
	NewFile
	size int64
}

func (f fresh) Size() int64 { return f.size }

func (f fresh) Flush() error { return f.Sync() }

// blank is a new file before it is made.
type blank struct{}

// errNotMade says that the file is not there yet.
var errNotMade = errors.New("the file has not been made")

func (blank) ReadAt(b []byte, _ int64) (int, error) {
	clear(b)
	return len(b), nil
}

func (blank) WriteAt([]byte, int64) (int, error) { return 0, errNotMade }

func (blank) Sync() error { return nil }
