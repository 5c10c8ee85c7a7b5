package dmctl

// One run at a time: a plan is made from a look at the kernel's state, and is
// right only as long as nobody else of us changes that.

import (
	"context"
	"time"
)

// lockTries and lockPause bound the wait for another run: half a minute.
const (
	lockTries = 150
	lockPause = 200 * time.Millisecond
)

// lock keeps other controllers from planning until unlock. The kernel drops
// the lock of a process that dies.
func (c *Controller) lock() error {
	for try := 0; ; try++ {
		if got, err := c.tryLock(); got || err != nil {
			return err
		}
		if try == lockTries {
			return busy("another dmsnapctl has been at work for %v: try again when it is done", lockTries*lockPause)
		}
		c.sleep(lockPause)
	}
}

// lockUntil is lock for those who wait until ctx ends.
func (c *Controller) lockUntil(ctx context.Context) error {
	for {
		if got, err := c.tryLock(); got || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return busy("another dmsnapctl is at work")
		}
		c.sleep(lockPause)
	}
}

func (c *Controller) tryLock() (bool, error) {
	if c.locked {
		return true, nil
	}
	got, err := c.k.TryLock()
	if err != nil {
		return false, &Error{"lock", "device mapper", err}
	}
	c.locked = got
	return got, nil
}

// unlock ends what a plan began, run or not.
func (c *Controller) unlock() {
	if c.locked {
		c.k.Unlock()
		c.locked = false
	}
}

// Release gives up the plan that was made last: other controllers go on, and
// what was planned may be out of date.
func (c *Controller) Release() { c.unlock() }

// lookLocked is look for plans.
func (c *Controller) lookLocked() (view, error) {
	if err := c.lock(); err != nil {
		return nil, err
	}
	return c.look()
}
