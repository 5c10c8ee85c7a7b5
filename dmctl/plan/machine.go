package plan

// The seam to the machine that plans run on.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Machine is all that plans work on. Package dmtest has one in memory.
type Machine interface {
	devices.Kernel
	host.Host
	// Guard starts a process that stands by while devices are suspended, until
	// release is called. When this process dies before that, it resumes inUse at
	// once, and then recovers; when one of inUse stays suspended for too long,
	// it resumes them too, and release returns ErrPauseTooLong.
	Guard(inUse []blockdev.DevNo) (release func() error, err error)
}

// ErrNoGuardian says that the process that stands guard could not be started, or
// was not ready in time. Nothing was changed.
var ErrNoGuardian = errors.New("no process stands guard")

// ErrPauseTooLong says that a device was not resumed in time and was resumed by
// the guardian.
var ErrPauseTooLong = errors.New("the pause took too long and was ended by the process that stands guard")

// ErrIncomplete says that what was to be done is done, or was undone, but not
// all of it: recovering does the rest.
var ErrIncomplete = errors.New("what is left is for recovery")

// SnapshotUdev has /dev/disk/by-uuid stay with the origin, whose file system's
// UUID its snapshots share.
const SnapshotUdev = wire.UdevPrimary | wire.UdevLowPriority
