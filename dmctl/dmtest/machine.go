// Package dmtest is a machine in memory that follows device mapper's rules. It
// is for tests of the controller and of programs that import it: every call can
// be made to fail, or to kill the process. It does not model what dm-snapshot
// does with data; test that on a real kernel.
//
//	m := dmtest.New()
//	c := dmctl.NewOn(m)
package dmtest

// From the top down: files, mount, changes, kernel, disk, host, loops, text, machine.

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Failure is how a call fails.
type Failure string

// The ways to fail. All but the last two return an error.
const (
	Clean Failure = "changes nothing"
	Lost  Failure = "a swap loses the new table"        // the wait for I/O was interrupted
	Stuck Failure = "a swap stays suspended, old table" // dm_swap_table refuses
	Half  Failure = "a swap stays suspended, new table" // a target's preresume refuses
	Dead  Failure = "the process dies before the call"  // SIGKILL
	After Failure = "the process dies right after the call"
)

// Killed is the panic value of a call that kills the process.
type Killed struct{}

// Device is a mapped device.
type Device struct {
	Name, UUID    string
	Dev           blockdev.DevNo
	Live, Waiting table.Table
	Suspended     bool
	ReadOnly      bool
	MergeFailed   bool   // the kernel stopped its merge
	Status        string // its status line; "" means an empty store
	Mounted       string // the mount point, or ""
	Open          int    // users that are not tables
	events        uint32
}

// Machine is device mapper and the machine around it. It implements
// dmctl.Machine. Fields may be changed between calls.
type Machine struct {
	Devices []*Device // by name
	Disks   map[string]*Disk
	Links   map[string]string // links, and their destinations
	Files   map[string]*File  // plain files by path
	Loops   []*Loop           // the loop devices in use
	// HeldOpen are devices that a program has open, so that loop devices do not
	// detach themselves.
	HeldOpen []blockdev.DevNo
	// OpenBy are the programs that have the devices open that are Open.
	OpenBy []string
	// NoLoop makes all loop devices unavailable.
	NoLoop bool
	// NotesKept are the notes that outlive a process.
	NotesKept map[string][]byte
	// NodeDevs are the nodes in /dev/mapper by name. A killed process left those
	// whose names begin with a dot.
	NodeDevs map[string]blockdev.DevNo

	// Looks counts the calls that change nothing, by name: those that ask the
	// kernel about a device or a file.
	Looks map[string]int
	// Calls counts the calls that change something, starting at 1. Failures
	// says which of them fail, and how.
	Calls    int
	Failures map[int]Failure
	// BeforeCall, if not nil, is called before each of them.
	BeforeCall func(number int)
	// Broken lists violations of the rules for plans: something suspended
	// without memory locked, something touched in the pause, a table read that
	// must not be.
	Broken []string
	// MemoryLocked is how often memory is locked; Guarded is whether a guardian
	// runs.
	MemoryLocked int
	Guarded      bool
	// Writes are the writes in flight by device. Uncounted means that the
	// kernel was told not to count them.
	Writes    map[blockdev.DevNo]int
	Uncounted bool
	// NoNodes, if not nil, is the error for making nodes.
	NoNodes error
	// NoBlkid makes only the common signatures known.
	NoBlkid bool
	// NoGuard, if not nil, is the error for starting a guardian.
	NoGuard error
	// TooLong is what the guardian reports at the end.
	TooLong error
	// Lock reports whether the lock is free; nil means it is.
	Lock func() bool
	// LastAdvance is when another controller, which holds the lock, last
	// reported progress.
	LastAdvance time.Time
	// SkippedFreeze are the devices that were suspended without freezing their
	// file system.
	SkippedFreeze []string
	// CacheDropped are the devices whose page cache was dropped.
	CacheDropped []string
	// Zeroed are the disks that were zeroed, in order.
	Zeroed []blockdev.DevNo
	// Opened counts how often each path was opened.
	Opened map[string]int
	// Messages are those that targets got, each after the name of its device.
	Messages []string
	// TablesRead are the devices whose tables were read.
	TablesRead []string
	// Intents are what processes intend to clean up; Held are those whose
	// process is alive.
	Intents map[string][]byte
	Held    map[string]bool
	// LVMCalls are the LVM commands that were run. NoLVM, if not nil, is why
	// they fail.
	LVMCalls []string
	NoLVM    error
	// NoMount, if not nil, is why nothing can be mounted. StaysMounted makes
	// unmounting fail.
	NoMount      error
	StaysMounted bool
	// StatusOfNew is the status line of snapshots without one of their own.
	StatusOfNew string
	// ScratchOn is the device that holds files without names.
	ScratchOn []blockdev.DevNo
	// MappedCarries are the known signatures on mapped devices.
	MappedCarries []string
	// SnapshotVersion is the version of the snapshot target.
	SnapshotVersion gate.Version

	minor  uint32
	inodes uint64
	failed int
	inUse  []blockdev.DevNo
	claims map[blockdev.DevNo]bool
}

var _ plan.Machine = (*Machine)(nil)

// New returns a machine with the disks /dev/a to /dev/d of 1 MiB each.
func New() *Machine {
	m := &Machine{
		Disks: map[string]*Disk{}, Links: map[string]string{}, NodeDevs: map[string]blockdev.DevNo{},
		Intents: map[string][]byte{}, Held: map[string]bool{},
		Failures: map[int]Failure{}, claims: map[blockdev.DevNo]bool{},
		Opened:          map[string]int{},
		Files:           map[string]*File{},
		Looks:           map[string]int{},
		NotesKept:       map[string][]byte{},
		SnapshotVersion: gate.Version{Major: 1, Minor: 16},
	}
	for i, path := range []string{"/dev/a", "/dev/b", "/dev/c", "/dev/d"} {
		m.Disks[path] = &Disk{Number: blockdev.DevNo{Major: 8, Minor: uint32(i)}, Size: 1 << 20, BlockSize: blockSize}
	}
	return m
}

// Find returns the device with a name, or nil.
func (m *Machine) Find(name string) *Device {
	for _, d := range m.Devices {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// Suspended returns the names of the suspended devices.
func (m *Machine) Suspended() []string {
	var out []string
	for _, d := range m.Devices {
		if d.Suspended {
			out = append(out, d.Name)
		}
	}
	return out
}

// Claimed returns the disks that somebody has open exclusively.
func (m *Machine) Claimed() []blockdev.DevNo {
	return slices.Collect(maps.Keys(m.claims))
}

// Failed returns how many calls were made to fail.
func (m *Machine) Failed() int { return m.failed }

// Dies reports whether f ends in a call that was made to kill the process.
func Dies(f func() error) (died bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(Killed); !ok {
				panic(r)
			}
			died = true
		}
	}()
	return false, f()
}

// broke records that a rule was broken.
func (m *Machine) broke(format string, args ...any) {
	m.Broken = append(m.Broken, fmt.Sprintf(format, args...))
}

// look counts a call that changes nothing.
func (m *Machine) look(call string) { m.Looks[call]++ }

// change counts a call and returns how it fails.
func (m *Machine) change() Failure {
	m.Calls++
	if m.BeforeCall != nil {
		m.BeforeCall(m.Calls)
	}
	how := m.Failures[m.Calls]
	if how != "" {
		m.failed++
	}
	if how == Dead {
		panic(Killed{})
	}
	return how
}

// after ends a call that succeeded.
func (m *Machine) after(how Failure) error {
	if how == After {
		panic(Killed{})
	}
	return nil
}

// touch is a call that may need memory, a file or the root file system.
func (m *Machine) touch(what string) error {
	how := m.change()
	if held := m.Suspended(); len(held) > 0 && m.failed == 0 {
		m.broke("%s is touched while %v is suspended", what, held)
	}
	if simple(how) {
		return syscall.EIO
	}
	return m.after(how)
}

func simple(how Failure) bool {
	return how == Clean || how == Lost || how == Stuck || how == Half
}

// refs returns the devices that a table uses.
func refs(t table.Table) []blockdev.DevNo {
	var out []blockdev.DevNo
	add := func(s ...string) {
		for _, s := range s {
			dev, _ := devices.ParseDev(s)
			out = append(out, dev)
		}
	}
	for _, l := range t {
		switch s := l.Spec.(type) {
		case table.Linear:
			add(s.Device)
		case table.SnapshotOrigin:
			add(s.Device)
		case table.Snapshot:
			add(s.Origin, s.COW)
		case table.SnapshotMerge:
			add(s.Origin, s.COW)
		case table.LogWrites:
			add(s.Device, s.Log)
		}
	}
	return out
}
