//go:build !unix

package main

import "os"

// askedForProgress receives nothing: there is no SIGUSR1 here.
func askedForProgress() (asked <-chan os.Signal, forget func()) { return nil, func() {} }
