//go:build linux

// Command lab is the command line of the lab. It sets up a machine, runs
// programs inside real kernels (as go test -exec for kernel tests), and shows
// the demonstration.
package main

// From the top down: main, demo, exec, matrix, setup.

import (
	"fmt"
	"os"
)

// exitNotRun is the exit status if the program did not run to its end. Lower
// ones come from the program.
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
