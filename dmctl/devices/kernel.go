package devices

// The interface to device mapper.

import (
	"context"
	"errors"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Kernel is device mapper as plans see it. Each operation has one owner,
// devmapper.go or our own codec, wire:
//
//	verb            owner          why
//	Version         devmapper.go
//	Create, Remove  devmapper.go
//	Load            wire           any target, PO and feature arguments
//	CopyTable       wire           devmapper.go has none
//	SameTable       wire           devmapper.go has none
//	Suspend         wire           flags; an open control node, no path lookup
//	Resume          wire           udev flags; the same
//	Clear, Rename   wire           devmapper.go has none
//	Message         wire           devmapper.go has none
//	List            wire           event numbers; devmapper.go reads past its record
//	Info            wire           event numbers
//	Table, Status   wire           devmapper.go has none
//	Targets         wire           devmapper.go has none
//	Arm, Poll       wire           devmapper.go has none
//	AwaitLock       wire           the control node is what all of us have open
//
// Errors unwrap to the kernel's errno. Package dmtest has an in-memory kernel
// that follows device mapper's rules and fails on demand.
type Kernel interface {
	Version() (gate.Version, error) // of the ioctl interface
	Targets() ([]TargetVersion, error)
	LoadTarget(target string) (gate.Version, error) // loads its module if necessary

	List() ([]Listed, error)
	Info(Name) (Info, error)
	// Status returns a line for each target of the live or the inactive table.
	// A status line holds no secrets; a table may.
	Status(name Name, inactive bool) (Info, []StatusLine, error)
	// Table returns a table whose targets are all dm-snapshot's. Lines of other
	// targets are Unread: their parameters are wiped before anyone sees them.
	Table(name Name, inactive bool) (Info, table.Table, error)

	Create(Name, UUID) error
	Load(Name, table.Table) error
	// CopyTable loads the live table of one device into the inactive slot of
	// another. The table stays hidden, so it may have any target.
	CopyTable(from, to Name) error
	// SameTable reports whether the waiting table of one device equals the live
	// table of another.
	SameTable(waiting, live Name) (bool, error)
	Clear(Name) error
	Suspend(Name, Flags) error
	Resume(Name, Udev) error // makes the inactive table live, if there is one
	Rename(from, to Name, udev Udev) error
	Remove(Name) error
	Message(name Name, sector uint64, text string) error

	// AwaitLock keeps other controllers from locking until Unlock or death. It
	// waits in a queue until ctx ends; then it returns false and keeps its
	// place in the queue for the next AwaitLock. Unlock also gives up the
	// place.
	AwaitLock(ctx context.Context) (bool, error)
	Unlock()
	// Advance tells everyone who waits for the lock that its holder makes
	// progress: it changes Advanced, the time of the last Advance.
	Advance()
	Advanced() time.Time

	// Arm makes the next Poll wait for events after this call. It returns
	// ErrNoPoll if the kernel reports none.
	Arm() error
	Poll(milliseconds int) (bool, error)
	Close() error
}

// ErrNoPoll says that the kernel reports no events (before ioctl version 4.37).
var ErrNoPoll = errors.New("this kernel reports no events on device mapper's control node")

// StatusLine is the status of one target; the meaning of Params depends on the
// target.
type StatusLine struct {
	Start, Length cow.Sectors
	Type          string
	Params        string
}

// Ref refers to a device: an existing one, or one that a plan will make, whose
// number is unknown until then. Its UUID identifies it.
type Ref struct {
	Name Name
	UUID UUID
	Dev  blockdev.DevNo
}

// NewRef refers to a new device and gives it a new UUID; over is the device it
// keeps its data on.
func NewRef(name Name, r Role, over blockdev.DevNo) (*Ref, error) {
	uuid, err := NewUUID(r, over)
	return &Ref{Name: name, UUID: uuid}, err
}
