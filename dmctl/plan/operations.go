package plan

// The operations of the steps. Each error says what failed on what. A device is
// removed only if its UUID is the expected one.

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// RemoveTries and RemovePause limit the wait for a program that has a device
// open for a moment, such as a udev rule that scans it (LVM2 waits as long).
const (
	RemoveTries = 25
	RemovePause = 200 * time.Millisecond
)

// Table is a table to load. It is one of: a Known table; a table known Later,
// when the devices that it names exist; the live table Of another device, which
// is copied unseen.
type Table struct {
	Known table.Table
	Later func() table.Table
	Of    *devices.Ref
}

// failed returns an operation's error on a device, nil if err is nil.
func failed(op string, name devices.Name, err error) error {
	if err == nil {
		return nil
	}
	return &devices.Error{Op: op, Name: name.String(), Err: err}
}

func (e *Engine) create(d *devices.Ref) error {
	if err := e.Create(d.Name, d.UUID); err != nil {
		return failed("create", d.Name, err)
	}
	info, err := e.Info(d.Name)
	if err == nil && info.UUID != d.UUID {
		err = errors.New("another device took the name")
	}
	if err != nil {
		return errors.Join(failed("create", d.Name, err), e.remove(d))
	}
	d.Dev = info.Dev
	return nil
}

// remove removes a device and its node.
func (e *Engine) remove(d *devices.Ref) error {
	gone, err := e.isGone(d)
	if gone || err != nil {
		return err
	}
	if err := e.drop(d); err != nil {
		return err
	}
	return e.removeNode(d.Name)
}

// isGone reports whether a device no longer exists, even if another device has
// its name.
func (e *Engine) isGone(d *devices.Ref) (bool, error) {
	info, err := e.Info(d.Name)
	if devices.IsGone(err) {
		return true, nil
	}
	return err == nil && info.UUID != d.UUID, failed("look at", d.Name, err)
}

// drop removes a device from the kernel. Somebody may have it open for a
// moment. If it stays open, the error wraps ErrBusy.
func (e *Engine) drop(d *devices.Ref) error {
	for try := 1; ; try++ {
		if gone, err := e.isGone(d); gone || err != nil {
			return err
		}
		err := e.Remove(d.Name)
		switch {
		case err == nil, devices.IsGone(err):
			return nil
		case !devices.IsBusy(err):
			return failed("remove", d.Name, err)
		case try == RemoveTries:
			return failed("remove", d.Name, e.heldBy(d, err))
		}
		e.Sleep(RemovePause)
	}
}

// heldBy says who holds a device, as far as is known; cause is the kernel's
// error.
func (e *Engine) heldBy(d *devices.Ref, cause error) error {
	if info, err := e.Info(d.Name); err == nil {
		if users, err := e.Users(info.Dev); err == nil && len(users) > 0 {
			return &devices.Reason{Says: "it is " + host.InWords(users), Wraps: []error{devices.ErrBusy, cause}}
		}
		if programs := e.Programs(info.Dev); len(programs) > 0 {
			return &devices.Reason{Says: "it is open by " + strings.Join(programs, ", "), Wraps: []error{devices.ErrBusy, cause}}
		}
	}
	return &devices.Reason{Says: ErrOpen.Error(), Wraps: []error{ErrOpen, cause}}
}

func (e *Engine) removeNode(name devices.Name) error {
	return failed("remove the node of", name, e.RemoveNode(name))
}

func (e *Engine) addNode(name devices.Name, dev blockdev.DevNo) error {
	return failed("make the node of", name, e.AddNode(name, dev))
}

func (e *Engine) load(name devices.Name, t Table) error {
	if err := e.loadTable(name, t); err != nil {
		return failed("load the table of", name, fmt.Errorf("%w (dmesg says why)", err))
	}
	return nil
}

// loadTable loads a known table, or copies a hidden one.
func (e *Engine) loadTable(name devices.Name, t Table) error {
	switch {
	case t.Of != nil:
		return e.CopyTable(t.Of.Name, name)
	case t.Later != nil:
		t.Known = t.Later()
	}
	if len(t.Known) == 0 || devices.IsUnread(t.Known) {
		return errors.New("the table is not known")
	}
	return e.Load(name, t.Known)
}

func (e *Engine) clear(name devices.Name) error {
	if err := e.Clear(name); !devices.IsGone(err) {
		return failed("clear the inactive table of", name, err)
	}
	return nil
}

func (e *Engine) suspend(name devices.Name, flags devices.Flags) error {
	return failed("suspend", name, e.Suspend(name, flags))
}

func (e *Engine) resume(name devices.Name, udev devices.Udev) error {
	return failed("resume", name, e.Resume(name, udev))
}

// resumeHeld is resume for a device that somebody else may be resuming. The
// kernel refuses one of two concurrent resumes (drivers/md/dm.c: dm_resume).
func (e *Engine) resumeHeld(name devices.Name) error {
	cause := e.resume(name, devices.UdevPrimary)
	if info, err := e.Info(name); cause != nil && err == nil && !info.Suspended() {
		return nil
	}
	return cause
}

// swap replaces the live table, old, by the waiting one in one kernel call. If
// that fails, swap makes the device run on old in any case: the kernel can
// leave the device suspended with either table.
func (e *Engine) swap(name devices.Name, old Table, udev devices.Udev) error {
	unlock, err := e.pinMemory()
	if err != nil {
		return err
	}
	defer unlock()
	cause := e.resume(name, udev)
	if cause == nil {
		return nil
	}
	return errors.Join(cause, e.backTo(name, old))
}

// backTo makes a device run on old after a failed swap.
func (e *Engine) backTo(name devices.Name, old Table) error {
	info, err := e.Info(name)
	if err != nil {
		return failed("look at", name, err)
	}
	if !info.Suspended() {
		return nil // the kernel swapped nothing; an inactive table is cleared by the step that loaded it
	}
	// The device is suspended, either with the old table, because the tables
	// were not swapped, or with the new one, because it could not be resumed.
	// Loading the old table handles both.
	if err := e.load(name, old); err != nil {
		return errors.Join(err, e.resume(name, devices.UdevPrimary))
	}
	if e.resume(name, devices.UdevPrimary) == nil {
		return nil
	}
	// A device below that has become too small for either table keeps the kernel
	// from swapping, and that drops the one that waits; the live one needs no swap.
	return e.resume(name, devices.UdevPrimary)
}

// putBack makes a device run on old again after a successful swap.
func (e *Engine) putBack(name devices.Name, old Table) error {
	if err := e.load(name, old); err != nil {
		return err
	}
	return e.swap(name, old, devices.UdevPrimary)
}

// rename renames a device; its undo uses the new name.
func (e *Engine) rename(d *devices.Ref, to devices.Name) error {
	if err := e.Rename(d.Name, to, SnapshotUdev); err != nil {
		return failed("rename", d.Name, err)
	}
	d.Name = to
	return nil
}

func (e *Engine) dropCache(d *devices.Ref) error {
	disk, err := e.OpenDev(d.Dev)
	if err == nil {
		err = errors.Join(disk.DropCache(), disk.Close())
	}
	return failed("drop the cache of", d.Name, err)
}

// pins counts the users of locked memory: parts of a plan run at once.
type pins struct {
	sync.Mutex
	count int
	free  func()
}

// pinMemory locks memory until unlock is called. Calls may overlap.
func (e *Engine) pinMemory() (unlock func(), err error) {
	e.pins.Lock()
	defer e.pins.Unlock()
	if e.pins.count == 0 {
		if e.pins.free, err = e.LockMemory(); err != nil {
			return nil, &devices.Error{Op: "lock", Name: "memory", Err: err}
		}
	}
	e.pins.count++
	return e.unpinMemory, nil
}

func (e *Engine) unpinMemory() {
	e.pins.Lock()
	defer e.pins.Unlock()
	if e.pins.count--; e.pins.count == 0 {
		e.pins.free()
	}
}
