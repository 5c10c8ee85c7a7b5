package dmctl

// What can go wrong, so that a caller can tell it apart.

import (
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// Error is a failed operation on one device. Err unwraps to the errno where
// the kernel refused.
type Error = devices.Error

// Reasons why there is no device mapper to talk to, or no target in it.
var (
	ErrNoDeviceMapper   = devices.ErrNoDeviceMapper
	ErrNoControlNode    = devices.ErrNoControlNode
	ErrWrongControlNode = devices.ErrWrongControlNode
	ErrPermission       = devices.ErrPermission
	ErrNoTarget         = devices.ErrNoTarget
	ErrNoLoop           = host.ErrNoLoop
)

// Reasons why a request is refused before anything is touched.
var (
	ErrUsage    = devices.ErrUsage    // malformed, whatever the machine's state
	ErrNotFound = devices.ErrNotFound // no snapshot of this name
	ErrNotOurs  = devices.ErrNotOurs  // a snapshot, but made by another program
	ErrExists   = devices.ErrExists   // a device of this name exists
	ErrBusy     = devices.ErrBusy     // somebody uses a device
	ErrRefused  = devices.ErrRefused  // even by force
	ErrForce    = devices.ErrForce    // unless by force

	// ErrNoClone says that a device of the name is no clone that we made.
	ErrNoClone = &devices.Reason{Says: "the device is not a clone", Wraps: []error{ErrNotFound, ErrRefused}}

	ErrPlainFile    = host.ErrPlainFile                  // device mapper takes block devices
	ErrNoStore      = errors.New("no COW store")         // the device holds none
	ErrDamaged      = errors.New("the store is damaged") // or invalid, or cannot be read
	ErrStale        = errors.New("the store has stale records")
	ErrStoreThere   = errors.New("the store is there already")
	ErrMayBeChanged = errors.New("the origin may be changed") // while the store was inactive
)

// Reasons that another operation takes away.
var (
	ErrUnfinished = devices.ErrUnfinished // recover: an interrupted run left something
	ErrSuspended  = devices.ErrSuspended  // resume first
	ErrMerging    = devices.ErrMerging    // wait for the merge
	ErrIncomplete = plan.ErrIncomplete    // recover: the end of a run is missing
)

// PartErrors says which of the things asked for at once failed, and were undone
// each by itself; the others are done. PartError is one of them.
type (
	PartErrors = plan.PartErrors
	PartError  = plan.PartError
)

// ErrNoGuardian says that the process that stands guard over suspended devices
// could not be started, or was not ready in time. Nothing was changed.
var ErrNoGuardian = plan.ErrNoGuardian

// ErrPauseTooLong says that a device was not resumed in time and was resumed by
// the guardian.
var ErrPauseTooLong = plan.ErrPauseTooLong

// Errors of a merge that had begun.
var (
	ErrMergeFailed  = errors.New("the kernel stopped the merge at an I/O error (see dmesg)")
	ErrMergeInvalid = errors.New("the store became invalid during the merge: the origin holds a part of the snapshot")
	ErrStillMerging = errors.New("the merge goes on in the kernel")
)

// ErrLost says that a snapshot was invalidated, or is gone, while it was used.
var ErrLost = errors.New("the snapshot was lost")
