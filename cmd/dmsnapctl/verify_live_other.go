//go:build !linux

package main

import "github.com/dmsnapctl/dmsnapctl/verify/blockdev"

// devicesAbove finds nothing: only Linux has snapshots.
func devicesAbove(*blockdev.File) ([]layer, error) { return nil, nil }

func isMapped(*blockdev.File) bool { return false }
