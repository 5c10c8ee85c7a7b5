// Command dmsnapctl manages Linux dm-snapshot devices, reports whether a kernel
// leaks snapshot space when it crashes, and verifies COW stores offline.
//
// The package is the program's command line: one file per command, which
// parses its arguments, calls one function of a package below, and prints.
// Exit codes, flags and JSON are a contract with scripts; see docs/cli.md.
package main

import (
	"fmt"
	"io"
	"os"

	_ "github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/first" // ends the process if it has too few descriptors
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

func main() {
	if guarded := dmctl.BeGuardian(); guarded != nil {
		os.Exit(stoodGuard(guarded, os.Stderr))
	}
	if code, ended := lastResort(os.Stderr); ended {
		os.Exit(code)
	}
	os.Exit(run(untilSignal(), os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// stoodGuard reports how a guardian of suspended devices ended.
func stoodGuard(g *dmctl.Guarded, w io.Writer) int {
	switch {
	case g.Err != nil:
		_, _ = fmt.Fprintf(w, "dmsnapctl: standing guard over suspended devices: %s\n", explained(g.Err))
	case g.Recovered:
		_, _ = fmt.Fprintln(w, "dmsnapctl: a run died while devices were suspended: they are resumed, and what it left is cleaned up")
	}
	return exitCodeOf(g.Err)
}
