package plan

// The steps of plans: data that says what to do to which device. Each step does
// all or nothing; its undo reverts what it did.

import (
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Step is one operation of a plan.
type Step interface {
	Says() string // the step in words, for printing the plan
	do(*Engine) error
	undo(*Engine) error
}

// lasting is a step whose effects cannot all be undone. Such a step may also
// fail half-way.
type lasting interface{ leaves() string }

// simple is embedded in steps that need no undo: their effects go with the
// device, or do no harm.
type simple struct{}

func (simple) undo(*Engine) error { return nil }

// Create makes a device without a table. Its undo removes the device.
type Create struct{ Device *devices.Ref }

func (s Create) Says() string         { return fmt.Sprintf("create device %s", s.Device.Name) }
func (s Create) do(e *Engine) error   { return e.create(s.Device) }
func (s Create) undo(e *Engine) error { return e.remove(s.Device) }

// Load loads a table, which waits for the device's next resume. Its undo clears
// the table, unless the device is New and goes as a whole. Releases are disks
// that the table takes: their claims are released for it.
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

// Clear drops a device's waiting table.
type Clear struct {
	simple
	Device *devices.Ref
}

func (s Clear) Says() string       { return fmt.Sprintf("clear the inactive table of %s", s.Device.Name) }
func (s Clear) do(e *Engine) error { return e.clear(s.Device.Name) }

// Suspend holds a device's I/O. Its undo clears the waiting tables in Clearing,
// and resumes the device with its live table.
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
	return errors.Join(append(errs, e.resume(s.Device.Name, devices.UdevPrimary))...)
}

// Resume resumes a device, with its waiting table if it has one. If that fails,
// it loads Else and tries once more.
type Resume struct {
	simple
	Device *devices.Ref
	Udev   devices.Udev
	What   string // more words, or ""
	Else   table.Table
	// Fails says that the step counts as failed even if the device resumes with
	// Else.
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

// ResumeHeld resumes a device that a guardian may be resuming right now.
type ResumeHeld struct {
	simple
	Device *devices.Ref
}

func (s ResumeHeld) Says() string       { return "resume " + s.Device.Name.String() }
func (s ResumeHeld) do(e *Engine) error { return e.resumeHeld(s.Device.Name) }

// Swap replaces the live table, Old, by the waiting one, in one kernel call
// that suspends the device, swaps and resumes it. If that fails, the device is
// made to run on Old. With Back, the undo does the same.
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

// Rename renames a device; later steps use the new name. With Back, its undo
// restores the old name.
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
	Name   devices.Name // of the node when the step runs
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

// DropCache drops a device's page cache.
type DropCache struct {
	simple
	Device *devices.Ref
	What   string // more words, or ""
}

func (s DropCache) Says() string {
	return fmt.Sprintf("drop what the page cache has of %s%s", s.Device.Name, s.What)
}
func (s DropCache) do(e *Engine) error { return e.dropCache(s.Device) }

// Zero overwrites the start of a disk. Its undo does so again, which also
// removes what the kernel wrote there meanwhile.
type Zero struct {
	Disk    host.Disk
	Bytes   int64
	What    string // what is zeroed, in words; the disk's name follows
	Carried string // the former contents of the disk, "" for none
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

// Rewrite changes the contents of a claimed disk. It may fail half-way, and
// cannot be undone.
type Rewrite struct {
	simple
	What string // the action, in words
	Left string // what remains when the plan is undone, in words: "the store is repaired"
	Run  func() error
}

func (s Rewrite) Says() string     { return s.What }
func (s Rewrite) do(*Engine) error { return s.Run() }
func (s Rewrite) leaves() string   { return s.Left }

// Flush makes the data written to a disk durable.
type Flush struct {
	simple
	Disk host.Disk
}

func (s Flush) Says() string     { return "flush " + s.Disk.Path() }
func (s Flush) do(*Engine) error { return s.Disk.Flush() }

// GrowFile makes the file of a loop device longer. It stays longer if the plan
// is undone, which does no harm: the device keeps its size.
type GrowFile struct {
	simple
	Loop  blockdev.DevNo
	File  string // for people
	Bytes int64
}

func (s GrowFile) Says() string       { return fmt.Sprintf("grow %s to %d bytes", s.File, s.Bytes) }
func (s GrowFile) do(e *Engine) error { return e.GrowFile(s.Loop, s.Bytes) }

// Refresh makes a loop device adopt its file's size.
type Refresh struct {
	simple
	Dev  blockdev.DevNo
	Path string // the device, for people
}

func (s Refresh) Says() string       { return fmt.Sprintf("have %s take the size of what it is on", s.Path) }
func (s Refresh) do(e *Engine) error { return e.Machine.Refresh(s.Dev) }

// Do is a custom step that needs no undo.
type Do struct {
	simple
	What string
	Run  func() error
}

func (s Do) Says() string     { return s.What }
func (s Do) do(*Engine) error { return s.Run() }

// Take is a custom step that Back undoes.
type Take struct {
	What      string
	Run, Back func() error
}

func (s Take) Says() string       { return s.What }
func (s Take) do(*Engine) error   { return s.Run() }
func (s Take) undo(*Engine) error { return s.Back() }
