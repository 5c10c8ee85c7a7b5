package plan

// The interface to the machine that plans run on.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Machine is everything that plans work on. Package dmtest has an in-memory
// one.
type Machine interface {
	devices.Kernel
	host.Host
	// Guard starts a process that stands by while devices are suspended, until
	// release is called. If this process dies first, the guardian resumes inUse
	// at once, and then recovers. If one of inUse stays suspended for too long,
	// it resumes them, and release returns ErrPauseTooLong.
	Guard(inUse []blockdev.DevNo) (release func() error, err error)
}

// ErrNoGuardian says that the guardian process could not be started, or was not
// ready in time. Nothing was changed.
var ErrNoGuardian = errors.New("no process stands guard")

// ErrPauseTooLong says that a device was not resumed in time, so the guardian
// resumed it.
var ErrPauseTooLong = errors.New("the pause took too long and was ended by the process that stands guard")

// ErrLocked says that another run of a controller is at work.
var ErrLocked error = &devices.Reason{Says: "another run is at work", Wraps: []error{devices.ErrBusy}}

// ErrOpen says that a program has a device open, and the kernel does not say which.
var ErrOpen error = &devices.Reason{Says: "it is open by a program", Wraps: []error{devices.ErrBusy}}

// ErrIncomplete says that an operation, or its undo, is done except for some
// work left to recovery.
var ErrIncomplete = errors.New("what is left is for recovery")

// SnapshotUdev keeps /dev/disk/by-uuid pointing at the origin, whose file
// system shares its UUID with the snapshots.
const SnapshotUdev = devices.UdevPrimary | devices.UdevLowPriority
