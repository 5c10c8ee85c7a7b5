//go:build !linux

package dmctl

import (
	"fmt"
	"runtime"
)

// Open says that there is no device mapper here.
func Open() (*Controller, error) {
	return nil, fmt.Errorf("%w: it is part of Linux, this is %s", ErrNoDeviceMapper, runtime.GOOS)
}

// BeGuardian has nothing to do: nothing is suspended here.
func BeGuardian() {}
