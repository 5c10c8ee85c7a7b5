//go:build !linux

package main

import (
	"io"
	"runtime/debug"
)

// lastResort makes the runtime's fatal errors end in a signal instead of exit
// code 2, if the system has one.
func lastResort(io.Writer) (code int, ended bool) {
	debug.SetTraceback("crash")
	return 0, false
}
