package plan

// One run at a time: a plan is made from a look at the kernel's state, and is
// right only as long as nobody else of us changes that.

import (
	"context"
	"errors"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// LockTries and LockPause bound the wait for another run: half a minute.
const (
	LockTries = 150
	LockPause = 200 * time.Millisecond
)

// Lock keeps other engines from planning until Unlock. The kernel drops the
// lock of a process that dies.
func (e *Engine) Lock() error {
	for try := 0; ; try++ {
		if got, err := e.tryLock(); got || err != nil {
			return err
		}
		if try == LockTries {
			return devices.Busy("another run has been at work for %v: try again when it is done", LockTries*LockPause)
		}
		e.Sleep(LockPause)
	}
}

// LockFor is Lock that ends with ctx. It looks more often at first: most runs
// are short.
func (e *Engine) LockFor(ctx context.Context) error {
	pause := firstWait
	for waited := time.Duration(0); ; waited += pause {
		if got, err := e.tryLock(); got || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(devices.Busy("another run is at work"), err)
		}
		if waited >= LockTries*LockPause {
			return devices.Busy("another run has been at work for %v: try again when it is done", LockTries*LockPause)
		}
		pause = min(2*pause, LockPause)
		e.Sleep(pause)
	}
}

// LockUntil is Lock for those who wait until ctx ends.
func (e *Engine) LockUntil(ctx context.Context) error {
	for {
		if got, err := e.tryLock(); got || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(devices.Busy("another run is at work"), ctx.Err())
		}
		e.Sleep(LockPause)
	}
}

// Locked says whether the lock is held.
func (e *Engine) Locked() bool { return e.locked }

func (e *Engine) tryLock() (bool, error) {
	if e.locked {
		return true, nil
	}
	got, err := e.TryLock()
	if err != nil {
		return false, &devices.Error{Op: "lock", Name: "device mapper", Err: err}
	}
	e.locked = got
	return got, nil
}

// Unlock gives up the plans that were made, run or not: their disks are closed,
// and others go on.
func (e *Engine) Unlock() {
	e.closeDisks()
	if e.locked {
		e.Machine.Unlock()
		e.locked = false
	}
}

// Close ends all that a plan began, run or not, and closes the machine.
func (e *Engine) Close() error {
	e.Unlock()
	return e.Machine.Close()
}
