package plan

// Entering the pause and leaving it.

import "github.com/dmsnapctl/dmsnapctl/dmctl/devices"

// guard starts the guardian of a plan with a pause. That comes before the
// plan's first step: on a busy machine it takes its time or fails, and by then
// nothing must have been changed.
func (e *Engine) guard(p *Plan) error {
	if p.pause == nil {
		return nil
	}
	release, err := e.Guard(p.pause.inUse)
	if err != nil {
		return devices.Also(ErrNoGuardian, "%s: nothing was changed: start the guardian of the devices to suspend: %w", p.Title, err)
	}
	e.release = release
	return nil
}

// enterPause does all that may fail before the first suspend.
func (e *Engine) enterPause() error {
	unlock, err := e.pinMemory()
	if err != nil {
		return err
	}
	resume := ignoreStops()
	e.paused = func() {
		resume()
		unlock()
	}
	return nil
}

// leavePause comes after the last resume, whether or not the plan succeeded. It
// ends the guardian of a plan that never came to its pause, too.
func (e *Engine) leavePause() error {
	if leave := e.paused; leave != nil {
		e.paused = nil
		leave()
	}
	if release := e.release; release != nil {
		e.release = nil
		return release()
	}
	return nil
}
