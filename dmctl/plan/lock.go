package plan

// One run at a time: a plan is made from a look at the kernel's state, and is
// right only as long as nobody else of us changes that.

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// LockTries and LockPause bound the wait for another run that gets no further:
// half a minute.
const (
	LockTries = 150
	LockPause = 200 * time.Millisecond
)

// Lock keeps other engines from planning until Unlock. Those who want that get
// it in their order. The kernel drops the lock of a process that dies.
func (e *Engine) Lock() error { return e.LockFor(context.Background()) }

// LockFor is Lock that ends with ctx.
func (e *Engine) LockFor(ctx context.Context) error { return e.await(ctx, LockTries) }

// LockUntil is Lock for those who wait until ctx ends.
func (e *Engine) LockUntil(ctx context.Context) error { return e.await(ctx, math.MaxInt) }

// Locked says whether the lock is held.
func (e *Engine) Locked() bool { return e.locked }

// await waits for the lock. Whatever others do with it meanwhile has the count of
// tries begin anew: in a long queue nobody is at fault.
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
			e.Machine.Unlock() // which leaves the queue
			return errors.Join(devices.Busy("another run is at work"), ctx.Err())
		case try == tries:
			e.Machine.Unlock()
			return devices.Busy("another run has got no further for %v: try again when it is done", LockTries*LockPause)
		}
	}
}

// tryLock waits for a part of the time.
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
