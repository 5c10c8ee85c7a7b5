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
	ErrMergeFailed  = errors.New("the kernel stopped the merge at an I/O error (see dmesg)")
	ErrMergeInvalid = errors.New("the store became invalid during the merge: the origin holds a part of the snapshot")
	ErrStillMerging = errors.New("the merge continues in the kernel")
)

// ErrLost says that a snapshot became invalid or vanished while it was in use.
var ErrLost = errors.New("the snapshot was lost")
