package plan

// Entering and leaving the pause.

import "github.com/dmsnapctl/dmsnapctl/dmctl/devices"

// guard starts the guardian of a plan with a pause. This comes before the
// plan's first step: on a busy machine it may be slow or fail, and nothing must
// have been changed by then.
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

// enterPause does everything that may fail before the first suspend.
func (e *Engine) enterPause() error {
	unlock, err := e.pinMemory()
	if err != nil {
		return err
	}
	restore, err := ignoreStops()
	if err != nil {
		unlock()
		return err
	}
	e.paused = func() {
		restore()
		unlock()
	}
	return nil
}

// leavePause comes after the last resume, whether or not the plan succeeded. It
// also ends the guardian of a plan that never reached its pause.
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
