package plan

// The engine: one machine, and what a run holds on it.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
)

// Engine runs plans on a machine. While it holds the lock, others wait. It is
// not safe for concurrent use.
type Engine struct {
	Machine
	// BeforeStep, if not nil, is called before each step of each plan. Tests
	// use it to stop, look and die there.
	BeforeStep func(p *Plan, number int)

	locked  bool
	pins    pins         // memory is locked
	paused  func()       // ends the current pause
	release func() error // ends the guardian of the running plan
	open    []host.Disk
}

// NewEngine returns an engine on an open machine.
func NewEngine(m Machine) *Engine { return &Engine{Machine: m} }

// Open opens a disk for the plans that are made under the present lock. It
// stays open until Unlock, or longer after Keep.
func (e *Engine) Open(path string) (host.Disk, error) { return e.opened(e.Machine.Open(path)) }

// OpenBase is Open for a base that clones share.
func (e *Engine) OpenBase(path string) (host.Disk, error) { return e.opened(e.Machine.OpenBase(path)) }

// OpenScratch makes an unnamed file, with a loop device on it, for the plans
// that are made under the present lock. It goes away with its last user.
func (e *Engine) OpenScratch(dir string, bytes int64) (host.Disk, error) {
	return e.opened(e.Machine.NewScratch(dir, bytes))
}

// OpenStore is Open for a store, which may be a file.
func (e *Engine) OpenStore(path string) (host.Disk, error) {
	return e.opened(e.Machine.OpenStore(path))
}

func (e *Engine) opened(d host.Disk, err error) (host.Disk, error) {
	if err == nil {
		e.open = append(e.open, d)
	}
	return d, err
}

// Keep leaves a disk open; the caller must close it.
func (e *Engine) Keep(d host.Disk) {
	for i := range e.open {
		if e.open[i] == d {
			e.open = append(e.open[:i], e.open[i+1:]...)
			return
		}
	}
}

// closeDisks closes what plans opened. The disks were opened for reading, so
// nothing can be lost.
func (e *Engine) closeDisks() {
	var errs []error
	for _, d := range e.open {
		errs = append(errs, d.Close())
	}
	_ = errors.Join(errs...)
	e.open = nil
}
