package check

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// DefaultTimeout is the default time limit of a checker.
const DefaultTimeout = 5 * time.Minute

// Options says what to check and how.
type Options struct {
	// Command is a shell command line. {} in it stands for the image's path;
	// without {}, the path is appended.
	Command string
	// Environment returns what the checker finds about a state in its
	// environment, as NAME=value, besides this process's own. nil: nothing.
	Environment func(*crash.Shown) []string
	// View is the part of a state that the image shows.
	View crash.View
	// Good are the exit statuses, besides 0, that say that an image is good.
	Good []int
	// Jobs is how many checkers run at once; 0 means one per processor.
	Jobs int
	// Timeout is the time limit of a checker; 0 means DefaultTimeout.
	Timeout time.Duration
	// Dir is the directory for the mount and for what checkers write; "" means
	// the system's directory for temporary files.
	Dir string
}

func (o *Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// about is the environment of a checker besides this process's own.
func (o *Options) about(s *crash.Shown) []string {
	if o.Environment == nil {
		return nil
	}
	return o.Environment(s)
}

// Check returns what is wrong with the options, or nil.
func (o *Options) Check() error {
	if strings.TrimSpace(o.Command) == "" {
		return errors.New("the checker's command is empty")
	}
	if strings.ContainsRune(o.Command, 0) {
		return errors.New("the checker's command contains a zero byte")
	}
	if o.Timeout < 0 {
		return fmt.Errorf("negative timeout: %v", o.Timeout)
	}
	_, err := crash.ParseView(string(o.View))
	return err
}

// ErrUnusable is wrapped by the error for a checker that cannot be run.
var ErrUnusable = errors.New("the checker cannot be used")

// checking is an exploration with its checkers.
type checking struct {
	*Options
	layout Layout
	room   room
	tally  *tally
	queue  chan job
	stop   context.CancelCauseFunc
}

// job is an image to check.
type job struct {
	number int
	shown  *crash.Shown
	seen   *seen
}

// Explore is crash.Explore, and runs the checker on each distinct image. The
// results are in the report's Checks. It ignores the Show, View and Jobs of
// opt. If the checker cannot be run, the error wraps ErrUnusable.
func Explore(ctx context.Context, l *logwrites.Log, opt crash.Options, o Options) (*crash.Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	r, err := openRoom(o.Dir)
	if err != nil {
		return nil, err
	}
	report, err := explore(ctx, l, opt, &o, r)
	if errClose := r.close(); errClose != nil && report != nil {
		report.Warnings = append(report.Warnings, fmt.Sprintf("cannot unmount the images: %v", errClose))
	}
	return report, err
}

// explore explores with the images in a room.
func explore(ctx context.Context, l *logwrites.Log, opt crash.Options, o *Options, r room) (*crash.Report, error) {
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c := &checking{Options: o, layout: Layout{opt.Origin, opt.COW}, room: r, tally: newTally(), queue: make(chan job), stop: stop}
	var checkers sync.WaitGroup
	for range o.jobs() {
		checkers.Go(func() {
			for j := range c.queue {
				c.check(inner, j)
			}
		})
	}
	number := 0
	opt.View = o.View
	opt.Show = func(s *crash.Shown) {
		if inner.Err() != nil {
			return
		}
		if fresh := c.tally.meet(s); fresh != nil {
			number++
			select {
			case c.queue <- job{number, s, fresh}:
			case <-inner.Done():
			}
		}
	}
	report, err := crash.Explore(inner, l, opt)
	close(c.queue)
	checkers.Wait()
	if cause := context.Cause(inner); cause != nil && ctx.Err() == nil {
		return nil, cause
	}
	if report != nil {
		report.Checks.Command, report.Checks.View = o.Command, o.View
		c.tally.into(&report.Checks)
	}
	return report, err
}

// check checks an image. It stops the exploration if the checker cannot be run.
func (c *checking) check(ctx context.Context, j job) {
	if ctx.Err() != nil {
		return
	}
	o, err := c.outcome(ctx, j)
	switch {
	case ctx.Err() != nil: // the checker was stopped and gave no answer
	case err != nil:
		c.stop(fmt.Errorf("state %v: %w", j.shown.State, err))
	case o.end == unusable:
		c.stop(fmt.Errorf("%w: %s", ErrUnusable, o.why))
	default:
		c.tally.settle(j.seen, o)
	}
}

// outcome makes the image a file and runs the checker on it.
func (c *checking) outcome(ctx context.Context, j job) (o outcome, err error) {
	v, err := c.layout.Open(ctx, j.shown.Disk, j.shown.DiskSize, j.shown.View, j.shown.Store)
	if err != nil {
		return o, err
	}
	var failed firstError
	path, hide, err := c.room.show(fmt.Sprintf("state-%d", j.number), v, failed.note)
	if err != nil {
		return o, errors.Join(err, v.Close())
	}
	o = c.run(ctx, path, c.about(j.shown))
	hide()
	o.why = strings.ReplaceAll(o.why, path, "{}") // the same in every run
	if err := v.Close(); err != nil {
		return o, err
	}
	if err := failed.get(); err != nil && o.end != unusable { // the checker's answer is not about the state
		o = outcome{undecided, o.status, fmt.Sprintf("the image could not be read or written: %v", err)}
	}
	return o, nil
}

// firstError keeps the first of several errors.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *firstError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
