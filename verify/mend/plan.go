package mend

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Plan is what is to be done, stage by stage.
type Plan struct {
	Title string
	// Notes are what the reader should know beside the stages.
	Notes  []string
	Stages []Stage
	// Resume says what stands after a run that did not get to its end.
	Resume string
	// check judges the result.
	check func(context.Context) error
}

// Stage is a number of writes to one device, in any order: none of them needs
// another one to be durable first.
type Stage struct {
	Say     string // what it does, for people
	Bytes   int64  // that it writes, as far as is known
	device  blockdev.Device
	writes  iter.Seq2[write, error]
	grow    int64 // what the device grows to before the writes, in bytes; 0 for nothing
	barrier bool  // the device is flushed behind it
}

// write puts data at a place.
type write struct {
	at   int64
	data []byte
}

// Grower is a device that can be made larger: a plain file.
type Grower interface {
	Grow(bytes int64) error
}

// Progress is how far a run has come, in bytes written.
type Progress struct {
	Stage       int // from 0
	Done, Total int64
}

// String is the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", p.Title)
	for i, s := range p.Stages {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, s.Say)
	}
	if len(p.Stages) == 0 {
		b.WriteString("     nothing to do\n")
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

// Steps are the stages in words.
func (p *Plan) Steps() []string {
	out := make([]string, 0, len(p.Stages))
	for _, s := range p.Stages {
		out = append(out, s.Say)
	}
	return out
}

// Stopped is a run that did not get to its end.
type Stopped struct {
	Plan  string
	Stage int // from 0; the number of stages where only the check is left
	Say   string
	Err   error
	After string // what stands now, and how to go on
}

func (s *Stopped) Error() string {
	return fmt.Sprintf("%s: stopped at step %d (%s): %v; %s", s.Plan, s.Stage+1, s.Say, s.Err, s.After)
}

// Unwrap is the reason.
func (s *Stopped) Unwrap() error { return s.Err }

// Run does what the plan says. The context is looked at between writes.
func (p *Plan) Run(ctx context.Context, progress func(Progress)) error {
	now := Progress{}
	for _, s := range p.Stages {
		now.Total += s.Bytes
	}
	stopped := func(stage int, say string, err error) error {
		return &Stopped{Plan: p.Title, Stage: stage, Say: say, Err: err, After: p.Resume}
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
			return fmt.Errorf("a device cannot be grown here")
		}
		if err := g.Grow(s.grow); err != nil {
			return err
		}
	}
	for w, err := range s.writes {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if _, err := s.device.WriteAt(w.data, w.at); err != nil {
			return fmt.Errorf("write %d bytes at %d: %w", len(w.data), w.at, err)
		}
		tell(len(w.data))
	}
	if s.barrier {
		if err := s.device.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
	}
	return nil
}

// those are writes that are known beforehand.
func those(w ...write) iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		for _, w := range w {
			if !yield(w, nil) {
				return
			}
		}
	}
}

// plural is "1 chunk", "2 chunks".
func plural[N int | int64 | uint64](n N, what string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// readFull fills b; an end before is an error.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), at, err)
}
