package dmctl

// One run at a time: a plan is made from a look at the kernel's state, and is
// right only as long as nobody else of us changes that.

import "time"

// lockTries and lockPause bound the wait for another run: half a minute.
const (
	lockTries = 150
	lockPause = 200 * time.Millisecond
)

// lock keeps other controllers from planning until unlock. The kernel drops
// the lock of a process that dies.
func (c *Controller) lock() error {
	if c.locked {
		return nil
	}
	for try := 0; ; try++ {
		got, err := c.k.TryLock()
		if err != nil {
			return &Error{"lock", "device mapper", err}
		}
		if got {
			c.locked = true
			return nil
		}
		if try == lockTries {
			return busy("another dmsnapctl has been at work for %v: try again when it is done", lockTries*lockPause)
		}
		c.sleep(lockPause)
	}
}

// unlock ends what a plan began, run or not.
func (c *Controller) unlock() {
	if c.locked {
		c.k.Unlock()
		c.locked = false
	}
}

// lookLocked is look for plans.
func (c *Controller) lookLocked() (view, error) {
	if err := c.lock(); err != nil {
		return nil, err
	}
	return c.look()
}
