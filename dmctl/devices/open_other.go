//go:build !linux

package devices

import (
	"fmt"
	"runtime"
)

// Open says that there is no device mapper here.
func Open() (Kernel, error) {
	return nil, fmt.Errorf("%w: it is part of Linux, this is %s", ErrNoDeviceMapper, runtime.GOOS)
}
