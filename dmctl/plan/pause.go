package plan

// Entering the pause and leaving it.

import "github.com/dmsnapctl/dmsnapctl/dmctl/devices"

// enterPause does all that may fail before the first suspend.
func (e *Engine) enterPause(p *pause) error {
	release, err := e.Guard(p.inUse)
	if err != nil {
		return &devices.Error{Op: "start the guardian of", Name: "the devices to suspend", Err: err}
	}
	unlock, err := e.pinMemory()
	if err != nil {
		_ = release()
		return err
	}
	e.paused = func() error {
		unlock()
		return release()
	}
	return nil
}

// leavePause comes after the last resume, whether or not the plan succeeded.
func (e *Engine) leavePause() error {
	if e.paused == nil {
		return nil
	}
	leave := e.paused
	e.paused = nil
	return leave()
}
