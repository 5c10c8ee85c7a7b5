//go:build !linux

package devices

import (
	"fmt"
	"runtime"
)

// Open returns ErrNoDeviceMapper: this system has no device mapper.
func Open() (Kernel, error) {
	return nil, fmt.Errorf("%w: it is part of Linux, this is %s", ErrNoDeviceMapper, runtime.GOOS)
}
