package plan

// A real machine.

import (
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
)

type (
	kernel = devices.Linux
	system = host.Linux
)

// Linux is this machine.
type Linux struct {
	*kernel
	*system
	// PauseLimit is for how long a plan may hold the I/O of a device that is in
	// use. The flush before that is not part of it.
	PauseLimit time.Duration
}

var _ Machine = (*Linux)(nil)

// Open opens this machine. Errors are those of devices.Open.
func Open() (*Linux, error) {
	k, err := devices.Open()
	if err != nil {
		return nil, err
	}
	return &Linux{kernel: k, system: host.New(), PauseLimit: time.Minute}, nil
}
