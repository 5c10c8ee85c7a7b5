//go:build !linux

package plan

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

// Open fails: this system has no device mapper.
func Open() (Machine, error) {
	_, err := wire.Open()
	return nil, err
}

// BeGuardian returns nil: nothing is suspended here.
func BeGuardian(func(context.Context, Machine) error) *Guarded { return nil }
