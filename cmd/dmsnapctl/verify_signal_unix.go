//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// askedForProgress receives each SIGUSR1 until forget is called.
func askedForProgress() (asked <-chan os.Signal, forget func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	return c, func() { signal.Stop(c) }
}
