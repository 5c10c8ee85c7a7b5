package check

// The running kernel.

import (
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
)

// running asks the kernel. If the target is not registered, it judges the
// module that would be loaded, without loading it.
func (r Request) running() Kernel {
	release := installed.RunningRelease()
	k := Kernel{Source: FromRunning, KernelRelease: release, Running: true}
	v, err := r.ask()
	switch {
	case errors.Is(err, dmctl.ErrNoTarget) && r.Load:
		err = fmt.Errorf("%w; the kernel could not load it", err)
	case errors.Is(err, dmctl.ErrNoTarget):
		onDisk := r.installed(release)
		if onDisk.Err == nil {
			onDisk.Rule += " (not loaded; this is its module)"
			onDisk.Running = true
			return onDisk
		}
		err = fmt.Errorf("%w; its module was not judged: %s", err, onDisk.Rule)
	case errors.Is(err, dmctl.ErrNoDeviceMapper) && release != "":
		err = fmt.Errorf("%w; %w", err, r.whyNoDeviceMapper(release))
	}
	k.judge(v, err)
	return k
}

func (r Request) ask() (gate.Version, error) {
	if r.Ask != nil {
		return r.Ask(r.Load)
	}
	return AskRunning(r.Load)
}

// AskRunning asks device mapper for the version of the running kernel's target
// "snapshot". With load, the kernel loads its module if need be.
func AskRunning(load bool) (gate.Version, error) {
	ctl, err := dmctl.Open()
	if err != nil {
		return gate.Version{}, err
	}
	defer func() { _ = ctl.Close() }() // only read from; there is nothing to lose
	return ctl.TargetVersion(gate.SnapshotTarget, load)
}

func (r Request) whyNoDeviceMapper(release string) error {
	files, err := r.open()
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	return installed.WhyNoDeviceMapper(files, release)
}
