//go:build linux

// Command lab is the lab on the command line: it sets a machine up, runs programs
// inside real kernels, as go test -exec calls it for kernel tests, and shows the
// demonstration.
//
// From the top down: main, demo, exec, matrix, setup.
package main

import (
	"fmt"
	"os"
)

// exitNotRun is the status when the program could not be run to its end; those
// below 125 are the program's own to give.
const exitNotRun = 125

// exitUsage is the status after a usage error.
const exitUsage = 64

const usage = `usage: lab COMMAND [flags] [arguments]

  setup                              install and build what the lab needs
  demo [-out DIR]                    crash a stock and a leaky kernel, side by side
  exec [flags] PROGRAM [ARGUMENTS]   run a program inside a kernel
  matrix [flags] PACKAGES            kernel tests on many kernels, and one table

lab COMMAND -h shows the flags.
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(exitUsage)
	}
	commands := map[string]func(args []string) (int, error){
		"exec":   execute,
		"setup":  setup,
		"demo":   demonstrate,
		"matrix": testMatrix,
	}
	command, ok := commands[os.Args[1]]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(exitUsage)
	}
	status, err := command(os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
	}
	os.Exit(status)
}
