package devices

// What can go wrong, so that a caller can tell it apart. The words say what
// is the matter; what to do about it is the caller's to say.

import (
	"errors"
	"fmt"
	"syscall"
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
	ErrNoDeviceMapper   = errors.New("the kernel has no device mapper, or has not loaded it")
	ErrNoControlNode    = errors.New("device mapper is there, but it has no control node that works, and none can be made")
	ErrWrongControlNode = errors.New("the file there is not device mapper's control node")
	ErrPermission       = errors.New("no permission to use device mapper")
	ErrNoTarget         = errors.New("the kernel does not have this target")
)

// Reasons why a request is refused before anything is touched.
var (
	ErrUsage    = errors.New("malformed request") // whatever the machine's state
	ErrNotFound = errors.New("no snapshot of this name")
	ErrExists   = errors.New("a device of this name exists")
	ErrBusy     = errors.New("device is in use")
	ErrRefused  = errors.New("refused")               // force cannot help
	ErrForce    = errors.New("refused unless forced") // force lets it pass
)

// Reasons that another operation takes away.
var (
	// ErrUnfinished says that an interrupted run left something in the way,
	// which recovering cleans up.
	ErrUnfinished = errors.New("left by an interrupted run")
	// ErrSuspended says that a device has to be resumed first.
	ErrSuspended = errors.New("the device is suspended")
	// ErrMerging says that a snapshot is being merged.
	ErrMerging = errors.New("a merge is under way")
)

// What to say of a name that the user chose.
var (
	ErrTaken      = &Reason{Says: ErrExists.Error(), Wraps: []error{ErrExists}}
	ErrNoSnapshot = &Reason{Says: "the device is not a snapshot", Wraps: []error{ErrNotFound, ErrRefused}}
	ErrNotOurs    = &Reason{Says: "the snapshot was made by another program", Wraps: []error{ErrNotFound, ErrRefused}}
)

// Reason is an error in its own words that wraps others without naming them.
type Reason struct {
	Says  string
	Wraps []error
}

func (r *Reason) Error() string   { return r.Says }
func (r *Reason) Unwrap() []error { return r.Wraps }

// Because is an error in its own words that wraps why.
func Because(why error, format string, args ...any) error {
	return &Reason{fmt.Sprintf(format, args...), []error{why}}
}

// Malformed is an error that wraps ErrUsage.
func Malformed(format string, args ...any) error { return Because(ErrUsage, format, args...) }

// Refuse is an error that wraps ErrRefused.
func Refuse(format string, args ...any) error { return Because(ErrRefused, format, args...) }

// RefuseFor is an error that wraps ErrRefused and why.
func RefuseFor(why error, format string, args ...any) error {
	return &Reason{fmt.Sprintf(format, args...), []error{ErrRefused, why}}
}

// Busy is an error that wraps ErrBusy.
func Busy(format string, args ...any) error { return Because(ErrBusy, format, args...) }

// UnlessForced is nil where force was given, else an error that wraps ErrForce.
func UnlessForced(force bool, format string, args ...any) error {
	if force {
		return nil
	}
	return Because(ErrForce, format, args...)
}

// IsGone says that a device vanished between two looks at it.
func IsGone(err error) bool { return errors.Is(err, syscall.ENXIO) }

// IsBusy says that the kernel refused because a device is in use.
func IsBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }

// Also is fmt.Errorf whose error wraps why as well, without naming it.
func Also(why error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Reason{err.Error(), []error{err, why}}
}
