package devices

// The errors a caller can tell apart. Their texts say what is wrong; the caller
// says what to do about it.

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Error is a failed operation on one device. Err unwraps to the errno if the
// kernel refused.
type Error struct {
	Op   string // the operation, such as "load the table of"
	Name string // the device
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Reasons why device mapper or one of its targets is not available.
var (
	ErrNoDeviceMapper   = errors.New("the kernel has no device mapper, or has not loaded it")
	ErrNoControlNode    = errors.New("device mapper exists, but its control node does not work and cannot be made")
	ErrWrongControlNode = errors.New("the file there is not device mapper's control node")
	ErrPermission       = errors.New("no permission to use device mapper")
	ErrNoTarget         = errors.New("the kernel does not have this target")
)

// Reasons why a request is refused before anything is changed.
var (
	ErrUsage    = errors.New("malformed request") // regardless of the machine's state
	ErrNotFound = errors.New("no snapshot of this name")
	ErrExists   = errors.New("a device of this name exists")
	ErrBusy     = errors.New("device is in use")
	ErrRefused  = errors.New("refused")               // even with force
	ErrForce    = errors.New("refused unless forced") // force overrides it
)

// Reasons that another operation can remove.
var (
	// ErrUnfinished says that something left by an interrupted run is in the
	// way. Recovery cleans it up.
	ErrUnfinished = errors.New("left by an interrupted run")
	// ErrSuspended says that a device must be resumed first.
	ErrSuspended = errors.New("the device is suspended")
	// ErrMerging says that a snapshot is being merged.
	ErrMerging = errors.New("a merge is in progress")
)

// Reasons to reject a name that the user chose.
var (
	ErrReserved = &Reason{Says: "the name is reserved", Wraps: []error{ErrUsage}}
	// ErrNodeTaken says that the place of a device's node has something else.
	ErrNodeTaken  = &Reason{Says: "the place of its node is taken", Wraps: []error{ErrRefused}}
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

// Because returns an error with its own text that wraps why.
func Because(why error, format string, args ...any) error {
	return &Reason{fmt.Sprintf(format, args...), []error{why}}
}

// Malformed returns an error that wraps ErrUsage.
func Malformed(format string, args ...any) error { return Because(ErrUsage, format, args...) }

// Refuse returns an error that wraps ErrRefused.
func Refuse(format string, args ...any) error { return Because(ErrRefused, format, args...) }

// RefuseFor returns an error that wraps ErrRefused and why.
func RefuseFor(why error, format string, args ...any) error {
	return &Reason{fmt.Sprintf(format, args...), []error{ErrRefused, why}}
}

// Busy returns an error that wraps ErrBusy.
func Busy(format string, args ...any) error { return Because(ErrBusy, format, args...) }

// UnlessForced returns nil if force is set, otherwise an error that wraps
// ErrForce.
func UnlessForced(force bool, format string, args ...any) error {
	if force {
		return nil
	}
	return Because(ErrForce, format, args...)
}

// Said returns the output of another program as one line.
func Said(output []byte) string {
	var lines []string
	for line := range strings.Lines(string(output)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// IsGone reports whether a device vanished between two looks at it.
func IsGone(err error) bool { return errors.Is(err, syscall.ENXIO) }

// IsBusy reports whether the kernel refused because a device is in use.
func IsBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }

// Also is fmt.Errorf, but the error also wraps why without naming it.
func Also(why error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Reason{err.Error(), []error{err, why}}
}
