//go:build !linux

package main

import "github.com/dmsnapctl/dmsnapctl/verify/blockdev"

func usersOf(*blockdev.File) (string, error) { return "", nil }

func isReadOnly(*blockdev.File) bool { return false }
