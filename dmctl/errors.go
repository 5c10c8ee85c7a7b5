package dmctl

// What can go wrong, so that a caller can tell it apart.

import (
	"errors"
	"fmt"
)

// Error is a failed operation on one device. Err unwraps to the errno where
// the kernel refused.
type Error struct {
	Op   string // what was being done: "load the table of"
	Name string // the device
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Reasons why there is no device mapper to talk to, or no target in it.
var (
	ErrNoDeviceMapper   = errors.New("the kernel has no device mapper, or has not loaded it (`modprobe dm-mod` does)")
	ErrNoControlNode    = errors.New("device mapper is there, but no /dev/mapper/control that works, and none can be made: run as root, where /dev can be written to")
	ErrWrongControlNode = errors.New("the file there is not device mapper's control node: remove it, and it is made anew")
	ErrPermission       = errors.New("no permission to use device mapper: run as root")
	ErrNoTarget         = errors.New("the kernel does not have this target: load the module dm-snapshot")
)

// Reasons why a request is refused before anything is touched.
var (
	ErrUsage    = errors.New("malformed request") // whatever the machine's state
	ErrNotFound = errors.New("there is no snapshot of this name: `dmsnapctl list` shows those that there are")
	ErrExists   = errors.New("a device of this name exists")
	ErrBusy     = errors.New("device is in use")
	ErrRefused  = errors.New("refused")       // --force cannot help
	ErrForce    = errors.New("needs --force") // --force lets it pass
)

// ErrPauseTooLong says that a device was not resumed in time and was resumed by
// the guardian.
var ErrPauseTooLong = errors.New("the pause took too long and was ended by the process that stands guard: try again")

// reason is an error in its own words that wraps others without naming them.
type reason struct {
	says  string
	wraps []error
}

func (r *reason) Error() string   { return r.says }
func (r *reason) Unwrap() []error { return r.wraps }

// malformed is an error that wraps ErrUsage.
func malformed(format string, args ...any) error {
	return &reason{fmt.Sprintf(format, args...), []error{ErrUsage}}
}

// refuse is an error that wraps ErrRefused.
func refuse(format string, args ...any) error {
	return &reason{fmt.Sprintf(format, args...), []error{ErrRefused}}
}

// errTaken is what to say of a name that the user chose.
var errTaken = fmt.Errorf("%w: choose another name, or remove that one first", ErrExists)

// errNoSnapshot and errNotOurs are what to say of devices that others made.
var (
	errNoSnapshot = &reason{"it is a device, but no snapshot: `dmsnapctl list` shows those that there are", []error{ErrNotFound, ErrRefused}}
	errNotOurs    = &reason{"it is no snapshot that dmsnapctl made: `dmsnapctl list` shows those that there are", []error{ErrNotFound, ErrRefused}}
)

// busy is an error that wraps ErrBusy.
func busy(format string, args ...any) error {
	return &reason{fmt.Sprintf(format, args...), []error{ErrBusy}}
}

// unlessForced is nil where force was given, else an error that wraps ErrForce.
func unlessForced(force bool, format string, args ...any) error {
	if force {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrForce)
}
