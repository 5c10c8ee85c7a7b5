package plan

// The engine: one machine, and what a run holds of it.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
)

// Engine runs plans on a machine. From its lock to its end others wait. It is
// not for concurrent use.
type Engine struct {
	Machine
	// BeforeStep, if not nil, is called before each step of each plan: there,
	// tests stop, look and die.
	BeforeStep func(p *Plan, number int)

	locked  bool
	pins    pins         // memory is locked
	paused  func()       // ends the pause that a plan is in
	release func() error // ends the guardian of the plan that is run
	open    []host.Disk
}

// NewEngine is an engine on a machine that is open.
func NewEngine(m Machine) *Engine { return &Engine{Machine: m} }

// Open opens a disk for the plans that are made under the present lock. It
// stays open until Unlock, or until it is kept.
func (e *Engine) Open(path string) (host.Disk, error) { return e.opened(e.Machine.Open(path)) }

// OpenBase is Open of what clones share.
func (e *Engine) OpenBase(path string) (host.Disk, error) { return e.opened(e.Machine.OpenBase(path)) }

// OpenScratch makes a file without a name, with a loop device on it, for the plans
// that are made under the present lock. It goes with its last user.
func (e *Engine) OpenScratch(dir string, bytes int64) (host.Disk, error) {
	return e.opened(e.Machine.NewScratch(dir, bytes))
}

// OpenStore is Open of a store, which may be a file.
func (e *Engine) OpenStore(path string) (host.Disk, error) {
	return e.opened(e.Machine.OpenStore(path))
}

func (e *Engine) opened(d host.Disk, err error) (host.Disk, error) {
	if err == nil {
		e.open = append(e.open, d)
	}
	return d, err
}

// Keep has a disk stay open: closing it is the caller's from now on.
func (e *Engine) Keep(d host.Disk) {
	for i := range e.open {
		if e.open[i] == d {
			e.open = append(e.open[:i], e.open[i+1:]...)
			return
		}
	}
}

// closeDisks closes what plans opened. It was opened for reading: there is
// nothing to lose.
func (e *Engine) closeDisks() {
	var errs []error
	for _, d := range e.open {
		errs = append(errs, d.Close())
	}
	_ = errors.Join(errs...)
	e.open = nil
}
