package plan

// A real machine.

import (
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

type (
	kernel = wire.Linux
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

// Open opens this machine. Errors wrap devices.ErrNoDeviceMapper,
// ErrNoControlNode, ErrWrongControlNode or ErrPermission if one of these is the
// reason.
func Open() (*Linux, error) {
	k, err := wire.Open()
	if err != nil {
		return nil, err
	}
	return &Linux{kernel: k, system: host.New(), PauseLimit: time.Minute}, nil
}
