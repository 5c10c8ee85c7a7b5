package plan

// One run at a time: a plan is made from a look at the kernel's state, and is
// right only while no other controller changes that state.

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// LockTries and LockPause bound the wait for another run that makes no
// progress: half a minute.
const (
	LockTries = 150
	LockPause = 200 * time.Millisecond
)

// Lock keeps other engines from planning until Unlock. Callers get it in the
// order in which they asked. If ctx ends first, the error wraps its error. The
// kernel drops the lock of a process that dies.
func (e *Engine) Lock(ctx context.Context) error { return e.await(ctx, LockTries) }

// LockUntil is Lock for callers that wait until ctx ends.
func (e *Engine) LockUntil(ctx context.Context) error { return e.await(ctx, math.MaxInt) }

// Locked reports whether the lock is held.
func (e *Engine) Locked() bool { return e.locked }

// await waits for the lock. Each time another run makes progress, the tries
// are counted from 0 again: in a long queue no run is stuck.
func (e *Engine) await(ctx context.Context, tries int) error {
	advanced := e.Advanced()
	for try := 1; ; try++ {
		if got, err := e.tryLock(ctx); got || err != nil {
			return err
		}
		if now := e.Advanced(); !now.Equal(advanced) {
			advanced, try = now, 0
		}
		switch {
		case ctx.Err() != nil:
			e.Machine.Unlock() // also leaves the queue
			return errors.Join(devices.Because(ErrLocked, "another run is at work"), ctx.Err())
		case try == tries:
			e.Machine.Unlock()
			return devices.Because(ErrLocked, "another run has got no further for %v", LockTries*LockPause)
		}
	}
}

// tryLock waits for LockPause.
func (e *Engine) tryLock(ctx context.Context) (bool, error) {
	if e.locked {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, LockPause)
	defer cancel()
	got, err := e.AwaitLock(ctx)
	if err != nil {
		e.Machine.Unlock()
		return false, &devices.Error{Op: "lock", Name: "device mapper", Err: err}
	}
	if got {
		e.Advance()
	}
	e.locked = got
	return got, nil
}

// Unlock drops the plans that were made, run or not: it closes their disks and
// lets other runs continue.
func (e *Engine) Unlock() {
	e.closeDisks()
	if e.locked {
		e.Machine.Unlock()
		e.locked = false
	}
}

// Close ends everything that plans began, run or not, and closes the machine.
func (e *Engine) Close() error {
	e.Unlock()
	return e.Machine.Close()
}
