//go:build !linux

package main

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

func usersOf(*blockdev.File) (string, error) { return "", nil }

func isReadOnly(*blockdev.File) bool { return false }

func refuseSnapshots(context.Context, *blockdev.File) error { return nil }

func isLoop(*blockdev.File) bool { return false }
