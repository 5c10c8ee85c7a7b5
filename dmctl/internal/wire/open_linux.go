package wire

// The interface of package devices on a real kernel: operations by devmapper.go
// and by this package.

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"

	devmapper "github.com/anatol/devmapper.go"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Open opens the control node, and makes it if it is missing. Errors wrap
// ErrNoDeviceMapper, ErrNoControlNode, ErrWrongControlNode or ErrPermission if
// one of these is the reason.
func Open() (*Linux, error) {
	control, err := openControl()
	if err != nil {
		return nil, &devices.Error{Op: "open", Name: ControlNode, Err: whyNot(err)}
	}
	return &Linux{control}, nil
}

// whyNot determines why the control node cannot be opened.
func whyNot(err error) error {
	_, there := controlMinor()
	switch {
	case errors.Is(err, devices.ErrNoControlNode) || errors.Is(err, devices.ErrWrongControlNode):
		return err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%w)", devices.ErrPermission, bare(err))
	case there: // but its node does not work
		return fmt.Errorf("%w (%w)", devices.ErrNoControlNode, err)
	default:
		return fmt.Errorf("%w (%w)", devices.ErrNoDeviceMapper, bare(err))
	}
}

// Linux is device mapper. The embedded Control implements the operations that
// need nothing more.
type Linux struct{ *Control }

var _ devices.Kernel = (*Linux)(nil)

// Version implements Kernel.
func (*Linux) Version() (gate.Version, error) {
	major, minor, patch, err := devmapper.GetVersion()
	return gate.Version{Major: major, Minor: minor, Patch: patch}, err
}

// Create implements Kernel.
func (*Linux) Create(name Name, uuid UUID) error {
	return bare(devmapper.Create(name.String(), uuid.String()))
}

// Remove implements Kernel.
func (*Linux) Remove(name Name) error { return bare(devmapper.Remove(name.String())) }

// bare returns the errno of an error whose other words do not help:
// devmapper.go's errors name ioctl numbers, os errors repeat a path.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// LoadTarget makes the kernel load the target's module by asking for its
// version. On kernels that cannot be asked it uses modprobe.
func (k *Linux) LoadTarget(target string) (gate.Version, error) {
	v, err := k.Control.TargetVersion(target)
	if !errors.Is(err, syscall.ENOTTY) {
		return v, err
	}
	if out, err := exec.Command("modprobe", "dm-"+target).CombinedOutput(); err != nil {
		return gate.Version{}, fmt.Errorf("modprobe dm-%s: %w: %s", target, err, devices.Said(out))
	}
	targets, err := k.Targets()
	if err != nil {
		return gate.Version{}, err
	}
	for _, t := range targets {
		if t.Name == target {
			return t.Version, nil
		}
	}
	return gate.Version{}, syscall.EINVAL
}

// Load implements Kernel.
func (k *Linux) Load(name Name, t table.Table) error {
	targets := make([]Target, len(t))
	for i, l := range t {
		targets[i] = Target{Start: uint64(l.Start), Length: uint64(l.Length), Type: l.Spec.Type(), Params: l.Spec.Params()}
	}
	return k.Control.Load(name, targets, false)
}

// Resume implements Kernel.
func (k *Linux) Resume(name Name, udev Udev) error {
	_, err := k.Control.Resume(name, 0, udev)
	return err
}

// Table implements Kernel.
func (k *Linux) Table(name Name, inactive bool) (Info, table.Table, error) {
	info, targets, err := k.Control.Table(name, inactive, gate.IsSnapshotTarget)
	if err != nil {
		return info, nil, err
	}
	t := make(table.Table, len(targets))
	for i, target := range targets {
		t[i] = table.Target{Start: cow.Sectors(target.Start), Length: cow.Sectors(target.Length), Spec: devices.Unread{Target: target.Type}}
		if gate.IsSnapshotTarget(target.Type) {
			t[i].Spec = table.SpecOf(target.Type, target.Params)
		}
	}
	return info, t, nil
}

// Status implements Kernel.
func (k *Linux) Status(name Name, inactive bool) (Info, []devices.StatusLine, error) {
	info, targets, err := k.Control.Status(name, inactive)
	lines := make([]devices.StatusLine, len(targets))
	for i, target := range targets {
		lines[i] = devices.StatusLine{Start: cow.Sectors(target.Start), Length: cow.Sectors(target.Length), Type: target.Type, Params: target.Params}
	}
	return info, lines, err
}
