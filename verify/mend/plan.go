package mend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
)

// Plan is a change to one or more devices, in stages.
type Plan struct {
	Title string
	// Notes are what the reader should know besides the stages.
	Notes  []string
	Stages []Stage
	// Resume describes the state after a run that did not finish.
	Resume string
	// Again says that the same plan, made and run again, then finishes the work.
	Again bool
	// Beyond says that the plan overwrites more than the records of a store
	// whose header is there: a dump of it undoes only part of that.
	Beyond bool
	// canonical says that chunk numbers of exceptions may be corrected.
	canonical bool
	remade    *remade // set if the plan replaces all records
	// check judges the result.
	check func(context.Context) error
}

// Stage is a set of writes to one device, in any order: none depends on another
// being durable.
type Stage struct {
	Say    string // what it does, for people
	Bytes  int64  // to write, as far as known
	device blockdev.Device
	writes iter.Seq2[write, error] // nil for none
	// places are those of the writes, where they can be known without reading
	// the data; nil if they cannot.
	places  iter.Seq2[image.Span, error]
	grow    int64 // size in bytes to grow the device to before the writes; 0 for none
	barrier bool  // flush the device after the writes
	// meanwhile, if not nil, runs beside the flush. It only gives hints.
	meanwhile func()
}

// write is data to put at an offset.
type write struct {
	at   int64
	data []byte
}

// Grower is a device that can grow: a plain file.
type Grower interface {
	Grow(bytes int64) error
}

// Progress is how far a run is, in bytes written.
type Progress struct {
	Stage       int // from 0
	Done, Total int64
}

// Steps returns the stages in words.
func (p *Plan) Steps() []string {
	out := make([]string, 0, len(p.Stages))
	for _, s := range p.Stages {
		out = append(out, s.Say)
	}
	return out
}

// Stopped is the error of a run that did not finish.
type Stopped struct {
	Plan  string
	Stage int // from 0; the number of stages if only the check is left
	Say   string
	Err   error
	After string // the state now
	Again bool   // the same plan, made and run again, finishes the work
}

func (s *Stopped) Error() string {
	return fmt.Sprintf("%s: stopped at step %d (%s): %v; %s", s.Plan, s.Stage+1, s.Say, s.Err, s.After)
}

// ErrAgain says of a run that did not finish: the same plan, made and run again,
// does the rest.
var ErrAgain = errors.New("the same plan does the rest")

// Unwrap returns Err, the reason, and ErrAgain if Again is true and the file was
// not too large for its file system.
func (s *Stopped) Unwrap() []error {
	if s.Again && !errors.Is(s.Err, syscall.EFBIG) { // no run makes room for that
		return []error{s.Err, ErrAgain}
	}
	return []error{s.Err}
}

// Run carries out the plan. It checks the context between writes. If it does
// not finish, the error is a *Stopped.
func (p *Plan) Run(ctx context.Context, progress func(Progress)) error {
	now := Progress{}
	for _, s := range p.Stages {
		now.Total += s.Bytes
	}
	stopped := func(stage int, say string, err error) error {
		return &Stopped{Plan: p.Title, Stage: stage, Say: say, Err: err, After: p.Resume, Again: p.Again}
	}
	for i, s := range p.Stages {
		now.Stage = i
		tell := func(n int) {
			now.Done += int64(n)
			if progress != nil {
				progress(now)
			}
		}
		if err := s.run(ctx, tell); err != nil {
			return stopped(i, s.Say, err)
		}
	}
	if p.check != nil && len(p.Stages) > 0 {
		if err := p.check(ctx); err != nil {
			return stopped(len(p.Stages), "check the result", err)
		}
	}
	return nil
}

func (s Stage) run(ctx context.Context, tell func(int)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.grow > 0 {
		g, ok := s.device.(Grower)
		if !ok {
			return fmt.Errorf("a device cannot be grown")
		}
		if err := g.Grow(s.grow); err != nil {
			return err
		}
	}
	writes := s.writes
	if writes == nil {
		writes = those()
	}
	to := transfer.NewWriter(s.device)
	for w, err := range writes {
		if err != nil {
			return err
		}
		if err := s.write(ctx, to, w, tell); err != nil {
			return err
		}
	}
	if s.barrier {
		return s.flush()
	}
	return nil
}

func (s Stage) flush() error {
	var beside sync.WaitGroup
	defer beside.Wait()
	if s.meanwhile != nil {
		beside.Go(s.meanwhile)
	}
	if err := s.device.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// write writes w piece by piece.
func (s Stage) write(ctx context.Context, to io.WriterAt, w write, tell func(int)) error {
	for at, b := range transfer.Pieces(w.at, w.data) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := to.WriteAt(b, at); err != nil {
			return fmt.Errorf("write %d bytes at %d: %w", len(b), at, err)
		}
		tell(len(b))
	}
	return nil
}

// those yields writes that are known in advance.
func those(w ...write) iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		for _, w := range w {
			if !yield(w, nil) {
				return
			}
		}
	}
}

// zeroed yields the writes that clear from start to end.
func zeroed(start, end int64) iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		for at := start; at < end; {
			b := make([]byte, min(transfer.PieceBytes, end-at))
			if !yield(write{at, b}, nil) {
				return
			}
			at += int64(len(b))
		}
	}
}

// forward yields all of in. It returns false if yield does.
func forward(in iter.Seq2[write, error], yield func(write, error) bool) bool {
	for w, err := range in {
		if !yield(w, err) {
			return false
		}
	}
	return true
}

// passed yields what a transfer passes on, as writes.
func passed(transfer func(take func(at int64, b []byte) error) error) iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		stop := errors.New("enough")
		err := transfer(func(at int64, b []byte) error {
			if !yield(write{at, b}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(write{}, err)
		}
	}
}

// readFull fills b. Its error says where that failed.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	if err := blockdev.ReadFull(r, b, at); err != nil {
		return fmt.Errorf("read %d bytes at %d: %w", len(b), at, err)
	}
	return nil
}
