//go:build !linux

package plan

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Open says that there is no device mapper here.
func Open() (Machine, error) {
	_, err := devices.Open()
	return nil, err
}

// BeGuardian has nothing to do: nothing is suspended here.
func BeGuardian(func(context.Context, Machine) error) *Guarded { return nil }
