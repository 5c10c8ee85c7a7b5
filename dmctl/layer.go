package dmctl

// The operations that steps are made of: each all or nothing, each with an
// error that says what failed on what.

import (
	"errors"
	"fmt"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// layer is a device that a plan makes. Its number is known once it exists.
type layer struct {
	name wire.Name
	uuid wire.UUID
	dev  blockdev.DevNo
}

// newLayer gives a device-to-be its UUID; over is the device it keeps its data
// on.
func newLayer(name wire.Name, r role, over blockdev.DevNo) (*layer, error) {
	uuid, err := newUUID(r, over)
	return &layer{name: name, uuid: uuid}, err
}

// snapshotUdev has /dev/disk/by-uuid stay with the origin, whose file system's
// UUID its snapshots share.
const snapshotUdev = wire.UdevPrimary | wire.UdevLowPriority

// removeTries and removePause bound the wait for whoever has a device open
// for a moment, such as a udev rule that looks into it (LVM2 waits as long).
const (
	removeTries = 25
	removePause = 200 * time.Millisecond
)

func (c *Controller) create(l *layer) error {
	if err := c.k.Create(l.name, l.uuid); err != nil {
		return &Error{"create", l.name.String(), err}
	}
	info, err := c.k.Info(l.name)
	if err == nil && info.UUID != l.uuid {
		err = fmt.Errorf("another device took the name")
	}
	if err != nil {
		return errors.Join(&Error{"create", l.name.String(), err}, c.remove(l.name))
	}
	l.dev = info.Dev
	return nil
}

// removeLayer undoes create. It looks whether the device is the one that was
// created, never trusting a name alone.
func (c *Controller) removeLayer(l *layer) error {
	info, err := c.k.Info(l.name)
	if isGone(err) || err == nil && info.UUID != l.uuid {
		return nil
	}
	return c.remove(l.name)
}

// remove removes a device and its node.
func (c *Controller) remove(name wire.Name) error {
	if err := c.drop(name); err != nil {
		return err
	}
	return c.removeNode(name)
}

// drop removes a device from the kernel. Somebody may have it open for a
// moment; one that stays open is an error that wraps ErrBusy.
func (c *Controller) drop(name wire.Name) error {
	err := c.k.Remove(name)
	for try := 1; isBusy(err) && try < removeTries; try++ {
		c.sleep(removePause)
		err = c.k.Remove(name)
	}
	switch {
	case err == nil, isGone(err):
		return nil
	case isBusy(err):
		return &Error{"remove", name.String(), c.heldBy(name, err)}
	default:
		return &Error{"remove", name.String(), err}
	}
}

// heldBy says who holds a device, as far as that can be known; cause is what
// the kernel said.
func (c *Controller) heldBy(name wire.Name, cause error) error {
	who := "open by a program (`fuser -v /dev/mapper/" + name.String() + "` shows which)"
	if info, err := c.k.Info(name); err == nil {
		if users, err := c.h.Users(info.Dev); err == nil && len(users) > 0 {
			who = inWords(users)
		}
	}
	return &reason{"it is " + who + ": end that and try again", []error{ErrBusy, cause}}
}

func (c *Controller) removeNode(name wire.Name) error {
	if err := c.h.RemoveNode(name); err != nil {
		return &Error{"remove the node of", name.String(), err}
	}
	return nil
}

func (c *Controller) load(name wire.Name, t table.Table) error {
	if err := c.k.Load(name, t); err != nil {
		return &Error{"load the table of", name.String(), fmt.Errorf("%w (dmesg says why)", err)}
	}
	return nil
}

func (c *Controller) clear(name wire.Name) error {
	if err := c.k.Clear(name); err != nil && !isGone(err) {
		return &Error{"clear the inactive table of", name.String(), err}
	}
	return nil
}

func (c *Controller) suspend(name wire.Name, flags wire.Flags) error {
	if err := c.k.Suspend(name, flags); err != nil {
		return &Error{"suspend", name.String(), err}
	}
	return nil
}

func (c *Controller) resume(name wire.Name, udev wire.Udev) error {
	if err := c.k.Resume(name, udev); err != nil {
		return &Error{"resume", name.String(), err}
	}
	return nil
}

// swap puts the loaded table in place of the live one, old, within one call
// of the kernel. Where that fails, the device is seen to run on old, whatever
// the kernel had done of it: it can come back suspended with either table.
func (c *Controller) swap(name wire.Name, old table.Table, udev wire.Udev) error {
	unlock, err := c.lockMemory()
	if err != nil {
		return err
	}
	defer unlock()
	cause := c.resume(name, udev)
	if cause == nil {
		return nil
	}
	return errors.Join(cause, c.backTo(name, old))
}

// backTo has a device run on old after a swap that failed.
func (c *Controller) backTo(name wire.Name, old table.Table) error {
	info, err := c.k.Info(name)
	if err != nil {
		return &Error{"look at", name.String(), err}
	}
	if !info.Suspended() {
		return nil // the kernel swapped nothing; an inactive table is cleared by the step that loaded it
	}
	// Suspended: with the old table, if tables were not swapped, or with the
	// new one, if it would not be resumed. Loading the old one serves both.
	if err := c.load(name, old); err != nil {
		return errors.Join(err, c.resume(name, wire.UdevPrimary))
	}
	return c.resume(name, wire.UdevPrimary)
}

// putBack has a device run on old again after a swap that succeeded.
func (c *Controller) putBack(name wire.Name, old table.Table) error {
	if err := c.load(name, old); err != nil {
		return err
	}
	return c.swap(name, old, wire.UdevPrimary)
}

// rename gives a layer another name, by which its undo knows it too.
func (c *Controller) rename(l *layer, to wire.Name) error {
	if err := c.k.Rename(l.name, to, snapshotUdev); err != nil {
		return &Error{"rename", l.name.String(), err}
	}
	l.name = to
	return nil
}

func (c *Controller) dropCache(name wire.Name, dev blockdev.DevNo) error {
	if err := c.h.DropCache(dev); err != nil {
		return &Error{"drop the cache of", name.String(), err}
	}
	return nil
}

func (c *Controller) addNodeOf(l *layer) error {
	if err := c.h.AddNode(l.name, l.dev); err != nil {
		return &Error{"make the node of", l.name.String(), err}
	}
	return nil
}
