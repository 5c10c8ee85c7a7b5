package dmctl

// The errors a caller can tell apart.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/verify"
)

// Error is a failed operation on one device. Err unwraps to the errno if the
// kernel refused.
type Error = devices.Error

// Reasons why device mapper or one of its targets is not available.
var (
	ErrNoDeviceMapper   = devices.ErrNoDeviceMapper
	ErrNoControlNode    = devices.ErrNoControlNode
	ErrWrongControlNode = devices.ErrWrongControlNode
	ErrPermission       = devices.ErrPermission
	ErrNoTarget         = devices.ErrNoTarget
	ErrNoLoop           = host.ErrNoLoop
)

// Reasons why a request is refused before anything is changed.
var (
	ErrUsage    = devices.ErrUsage    // malformed, regardless of the machine's state
	ErrNotFound = devices.ErrNotFound // no snapshot with this name
	ErrNotOurs  = devices.ErrNotOurs  // a snapshot made by another program
	ErrExists   = devices.ErrExists   // a device with this name exists
	ErrBusy     = devices.ErrBusy     // a device is in use
	ErrRefused  = devices.ErrRefused  // even with Force
	ErrForce    = devices.ErrForce    // unless Force is set

	// ErrNoClone says that the device with this name is not one of our clones.
	ErrNoClone = &devices.Reason{Says: "the device is not a clone", Wraps: []error{ErrNotFound, ErrRefused}}

	// ErrDamaged says that the store is damaged, or was invalidated.
	ErrDamaged error = &devices.Reason{Says: verify.ErrDamaged.Error(), Wraps: []error{verify.ErrDamaged}}

	ErrPlainFile    = host.ErrPlainFile          // device mapper needs block devices
	ErrNoStore      = errors.New("no COW store") // the device holds none
	ErrUnread       = errors.New("the store cannot be read whole")
	ErrStale        = errors.New("the store has stale records")
	ErrStoreThere   = errors.New("the store is there already")
	ErrNoStoreFile  = errors.New("the store is not a file") // with a name, under a loop device
	ErrLargeEnough  = errors.New("the store can hold every chunk")
	ErrMayBeChanged = errors.New("the origin may be changed") // while the store was inactive
)

// Reasons that another operation can remove.
var (
	ErrUnfinished = devices.ErrUnfinished // call Recover: an interrupted run left something
	ErrSuspended  = devices.ErrSuspended  // resume first
	ErrMerging    = devices.ErrMerging    // wait for the merge
	ErrIncomplete = plan.ErrIncomplete    // call Recover: a run did not finish
)

// Reasons that are about a choice of the caller.
var (
	ErrReserved         = devices.ErrReserved  // a name
	ErrNodeTaken        = devices.ErrNodeTaken // for another name, or if that goes
	ErrLocked           = plan.ErrLocked       // another run is at work
	ErrOpen             = plan.ErrOpen         // a program has the device open
	ErrOneDevice  error = &devices.Reason{Says: "one device cannot be both", Wraps: []error{ErrRefused}}
	ErrStorePlace error = &devices.Reason{Says: "no directory for the stores", Wraps: []error{ErrUsage}}
	ErrNoSpare    error = &devices.Reason{Says: "the store cannot be replaced", Wraps: []error{ErrRefused}}
	ErrCOWInUse   error = &devices.Reason{Says: "the COW device is in use", Wraps: []error{ErrBusy}}

	// ErrMounted says that an origin is mounted that a merge takes back to an
	// earlier state. It can be mounted again as soon as the merge has begun.
	ErrMounted error = &devices.Reason{Says: "the origin is mounted", Wraps: []error{ErrForce}}

	// Reasons why a snapshot that lasts as long as a command cannot be made.
	ErrVolumeCOW    error = &devices.Reason{Says: "a logical volume has its changes in its volume group", Wraps: []error{ErrUsage}}
	ErrNoCOW        error = &devices.Reason{Says: "no COW device, and no directory for the changes", Wraps: []error{ErrUsage}}
	ErrMountTaken   error = &devices.Reason{Says: "something is mounted there", Wraps: []error{ErrBusy}}
	ErrNotMountable error = &devices.Reason{Says: "the snapshot cannot be mounted", Wraps: []error{ErrRefused}}
)

// PartErrors lists which parts of a request failed. Each failed part was
// undone; the others are done. PartError is one of them.
type (
	PartErrors = plan.PartErrors
	PartError  = plan.PartError
)

// ErrNoGuardian says that the process that guards suspended devices could not
// be started, or was not ready in time. Nothing was changed.
var ErrNoGuardian = plan.ErrNoGuardian

// ErrPauseTooLong says that a device was not resumed in time, so the guardian
// resumed it.
var ErrPauseTooLong = plan.ErrPauseTooLong

// Errors of a merge that has begun.
var (
	ErrMergeFailed = errors.New("the kernel stopped the merge at an I/O error")
	// ErrMergeUnrecorded: only the running kernel knows of a chunk that it merged.
	ErrMergeUnrecorded = errors.New("a merged chunk is not recorded in the store")
	ErrMergeInvalid    = errors.New("the store became invalid during the merge: the origin holds a part of the snapshot")
	ErrStillMerging    = errors.New("the merge continues in the kernel")
)

// ErrLost says that a snapshot became invalid or vanished while it was in use.
var ErrLost = errors.New("the snapshot was lost")
