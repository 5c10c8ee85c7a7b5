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
	// PauseLimit is how long a plan may hold the I/O of a device in use. The
	// flush before that does not count.
	PauseLimit time.Duration
}

var _ Machine = (*Linux)(nil)

// Open opens this machine. It returns the errors of devices.Open.
func Open() (*Linux, error) {
	k, err := devices.Open()
	if err != nil {
		return nil, err
	}
	return &Linux{kernel: k, system: host.New(), PauseLimit: time.Minute}, nil
}
