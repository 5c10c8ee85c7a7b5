package plan

// The steps that plans are made of: data that says what to do to which device.
// Each does all or nothing; its undo takes back what it did.

import (
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Step is one operation of a plan.
type Step interface {
	Says() string // in words, for the plan as it is printed
	do(*Engine) error
	undo(*Engine) error
}

// lasting is a step that leaves something that its undo cannot take back. Such
// a step may also fail half-way.
type lasting interface{ leaves() string }

// simple is embedded in steps that have nothing to take back: what they did
// goes with the device, or is as good undone as done.
type simple struct{}

func (simple) undo(*Engine) error { return nil }

// Create makes a device without a table. Its undo removes the device.
type Create struct{ Device *devices.Ref }

func (s Create) Says() string         { return fmt.Sprintf("create device %s", s.Device.Name) }
func (s Create) do(e *Engine) error   { return e.create(s.Device) }
func (s Create) undo(e *Engine) error { return e.remove(s.Device) }

// Load has a table wait for the device's next resume. Its undo clears the
// table, unless the device is New and goes as a whole. Releases are disks that
// the table takes: what is claimed of them is released for it.
type Load struct {
	Device   *devices.Ref
	Table    Table
	What     string // the table in words
	New      bool
	Releases []host.Disk
}

func (s Load) Says() string { return fmt.Sprintf("load table of %s: %s", s.Device.Name, s.What) }

func (s Load) do(e *Engine) error {
	for _, d := range s.Releases {
		d.Release()
	}
	return e.load(s.Device.Name, s.Table)
}

func (s Load) undo(e *Engine) error {
	if s.New {
		return nil
	}
	return e.clear(s.Device.Name)
}

// Clear drops the table that waits in a device.
type Clear struct {
	simple
	Device *devices.Ref
}

func (s Clear) Says() string       { return fmt.Sprintf("clear the inactive table of %s", s.Device.Name) }
func (s Clear) do(e *Engine) error { return e.clear(s.Device.Name) }

// Suspend holds a device's I/O. Its undo resumes the device with its live
// table, after clearing what waits in Clearing.
type Suspend struct {
	Device   *devices.Ref
	Flags    devices.Flags
	What     string // more words, or ""
	Clearing []*devices.Ref
}

func (s Suspend) Says() string       { return "suspend " + s.Device.Name.String() + s.What }
func (s Suspend) do(e *Engine) error { return e.suspend(s.Device.Name, s.Flags) }

func (s Suspend) undo(e *Engine) error {
	var errs []error
	for _, d := range s.Clearing {
		errs = append(errs, e.clear(d.Name))
	}
	return errors.Join(append(errs, e.resume(s.Device.Name, wire.UdevPrimary))...)
}

// Resume lets a device's I/O go on, with the table that waits where one does.
// Where it fails, Else is loaded and it is tried once more.
type Resume struct {
	simple
	Device *devices.Ref
	Udev   devices.Udev
	What   string // more words, or ""
	Else   table.Table
	// Fails says that Else makes something else of the device than it was to
	// become: the step has failed then all the same.
	Fails bool
}

func (s Resume) Says() string { return "resume " + s.Device.Name.String() + s.What }

func (s Resume) do(e *Engine) error {
	cause := e.resume(s.Device.Name, s.Udev)
	if cause == nil || s.Else == nil {
		return cause
	}
	if err := e.load(s.Device.Name, Table{Known: s.Else}); err != nil {
		return errors.Join(cause, err)
	}
	err := e.resume(s.Device.Name, s.Udev)
	if s.Fails {
		return errors.Join(cause, err)
	}
	return err
}

// ResumeHeld resumes a device that a guardian may be resuming just now.
type ResumeHeld struct {
	simple
	Device *devices.Ref
}

func (s ResumeHeld) Says() string       { return "resume " + s.Device.Name.String() }
func (s ResumeHeld) do(e *Engine) error { return e.resumeHeld(s.Device.Name) }

// Swap puts the table that waits in place of the live one, Old, in one call of
// the kernel that suspends the device, swaps and resumes it. Where that fails
// the device is seen to run on Old. With Back, its undo does that, too.
type Swap struct {
	Device *devices.Ref
	Old    Table
	Udev   devices.Udev
	What   string // more words, or ""
	Back   bool
}

func (s Swap) Says() string {
	return fmt.Sprintf("suspend %s, swap its tables and resume it, in one call%s", s.Device.Name, s.What)
}
func (s Swap) do(e *Engine) error { return e.swap(s.Device.Name, s.Old, s.Udev) }

func (s Swap) undo(e *Engine) error {
	if !s.Back {
		return nil
	}
	return e.putBack(s.Device.Name, s.Old)
}

// Rename gives a device another name, by which the steps after it know it.
// With Back, its undo gives it the old one again.
type Rename struct {
	Device   *devices.Ref
	From, To devices.Name
	Back     bool
}

func (s Rename) Says() string       { return fmt.Sprintf("rename %s to %s", s.From, s.To) }
func (s Rename) do(e *Engine) error { return e.rename(s.Device, s.To) }

func (s Rename) undo(e *Engine) error {
	if !s.Back {
		return nil
	}
	return e.rename(s.Device, s.From)
}

// Remove removes a device and its node.
type Remove struct {
	simple
	Device *devices.Ref
}

func (s Remove) Says() string       { return fmt.Sprintf("remove device %s", s.Device.Name) }
func (s Remove) do(e *Engine) error { return e.remove(s.Device) }

// Drop removes a device and leaves its node.
type Drop struct {
	simple
	Device *devices.Ref
}

func (s Drop) Says() string       { return fmt.Sprintf("remove device %s", s.Device.Name) }
func (s Drop) do(e *Engine) error { return e.drop(s.Device) }

// Node waits for the device's node, or makes it.
type Node struct {
	simple
	Device *devices.Ref
	Name   devices.Name // of the node, by the time that the step is run
}

func (s Node) Says() string       { return fmt.Sprintf("see that /dev/mapper/%s is there", s.Name) }
func (s Node) do(e *Engine) error { return e.addNode(s.Name, s.Device.Dev) }

// NoNode removes a node that no device has, or will have.
type NoNode struct {
	simple
	Name devices.Name
}

func (s NoNode) Says() string       { return fmt.Sprintf("see that /dev/mapper/%s is gone", s.Name) }
func (s NoNode) do(e *Engine) error { return e.removeNode(s.Name) }

// DropCache drops what the page cache has of a device.
type DropCache struct {
	simple
	Device *devices.Ref
	What   string // more words, or ""
}

func (s DropCache) Says() string {
	return fmt.Sprintf("drop what the page cache has of %s%s", s.Device.Name, s.What)
}
func (s DropCache) do(e *Engine) error { return e.dropCache(s.Device) }

// Zero overwrites the start of a disk. Its undo does so once more: what the
// kernel wrote there meanwhile goes as well.
type Zero struct {
	Disk    host.Disk
	Bytes   int64
	What    string // what is zeroed, in words that end where the disk's name follows
	Carried string // what the disk carried, "" for nothing
	Once    bool   // the undo leaves it alone
}

func (s Zero) Says() string {
	return fmt.Sprintf("zero %s%s (%v, %d bytes) and flush it", s.What, s.Disk.Path(), s.Disk.Dev(), s.Bytes)
}

func (s Zero) do(*Engine) error { return s.Disk.Zero(s.Bytes) }

func (s Zero) undo(e *Engine) error {
	if s.Once {
		return nil
	}
	return s.do(e)
}

func (s Zero) leaves() string {
	left := s.What + s.Disk.Path() + " are zeroed"
	if s.Carried != "" {
		left += ", where it carried " + s.Carried
	}
	return left
}

// Rewrite changes what a claimed disk holds. It may be done in part, and stays.
type Rewrite struct {
	simple
	What string // is done, in words
	Left string // stays when the plan is undone, in words: "the store is repaired"
	Run  func() error
}

func (s Rewrite) Says() string     { return s.What }
func (s Rewrite) do(*Engine) error { return s.Run() }
func (s Rewrite) leaves() string   { return s.Left }

// Flush makes what was written to a disk durable.
type Flush struct {
	simple
	Disk host.Disk
}

func (s Flush) Says() string     { return "flush " + s.Disk.Path() }
func (s Flush) do(*Engine) error { return s.Disk.Flush() }

// Refresh has a loop device take the size of its file.
type Refresh struct {
	simple
	Dev  blockdev.DevNo
	Path string // the device, for people
}

func (s Refresh) Says() string       { return fmt.Sprintf("have %s take the size of what it is on", s.Path) }
func (s Refresh) do(e *Engine) error { return e.Machine.Refresh(s.Dev) }

// Do is a step of its own kind, with nothing to take back.
type Do struct {
	simple
	What string
	Run  func() error
}

func (s Do) Says() string     { return s.What }
func (s Do) do(*Engine) error { return s.Run() }

// Take is a step of its own kind that Back takes back.
type Take struct {
	What      string
	Run, Back func() error
}

func (s Take) Says() string       { return s.What }
func (s Take) do(*Engine) error   { return s.Run() }
func (s Take) undo(*Engine) error { return s.Back() }
