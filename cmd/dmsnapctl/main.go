// Command dmsnapctl manages Linux dm-snapshot devices, tells whether a kernel
// leaks snapshot space when it crashes, and verifies COW stores offline.
//
// The package is the face of the program: one file per command, which parses,
// calls one function of a package below and prints. Exit codes, flags and JSON
// are a contract with scripts; see docs/cli.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

func main() {
	dmctl.BeGuardian()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends what is under way in order; a second one ends the
	// process as if nobody had listened.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
