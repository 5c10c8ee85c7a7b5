//go:build !linux

package wire

import (
	"fmt"
	"runtime"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Open returns ErrNoDeviceMapper: this system has no device mapper.
func Open() (devices.Kernel, error) {
	return nil, fmt.Errorf("%w: it is part of Linux, this is %s", devices.ErrNoDeviceMapper, runtime.GOOS)
}
