package dmctl

// The pause: the steps of a plan between which devices stay suspended. The
// root file system, the swap space and this program may lie on them. So from
// before the first suspend until after the last resume memory is locked, no
// file is opened, nothing is logged, and a second process stands guard, which
// has all it needs to let I/O go on.

import "github.com/dmsnapctl/dmsnapctl/verify/blockdev"

// pause is a plan's, by the numbers of its first and its last step.
type pause struct {
	first, last int
	// inUse are those of the devices whose I/O somebody may be waiting for.
	// They may be resumed at any moment of the pause: what waits in them then is
	// the live table once more. Other suspended devices are left to Recover.
	inUse []blockdev.DevNo
}

// beginPause says that the next step is the first one of the pause.
func (p *Plan) beginPause(inUse ...blockdev.DevNo) {
	p.pause = &pause{first: len(p.steps), inUse: inUse}
}

// endPause says that the step before was the last one of the pause.
func (p *Plan) endPause() { p.pause.last = len(p.steps) - 1 }

// enterPause does all that may fail before the first suspend.
func (c *Controller) enterPause(p *pause) error {
	release, err := c.h.Guard(p.inUse)
	if err != nil {
		return &Error{"start the guardian of", "the devices to suspend", err}
	}
	unlock, err := c.lockMemory()
	if err != nil {
		_ = release()
		return err
	}
	c.paused = func() error {
		unlock()
		return release()
	}
	return nil
}

// leavePause comes after the last resume, whether or not the plan succeeded.
func (c *Controller) leavePause() error {
	if c.paused == nil {
		return nil
	}
	leave := c.paused
	c.paused = nil
	return leave()
}

// lockMemory locks memory until unlock is called, unless it is locked already.
func (c *Controller) lockMemory() (unlock func(), err error) {
	if c.pinned {
		return func() {}, nil
	}
	free, err := c.h.LockMemory()
	if err != nil {
		return nil, &Error{"lock", "memory", err}
	}
	c.pinned = true
	return func() {
		free()
		c.pinned = false
	}, nil
}
