//go:build linux

// Command actor is the part of the demonstration inside the machine.
//
// As "crash TOOL ORIGIN STORE" it makes a snapshot with the dmsnapctl at TOOL,
// writes to its origin, and waits for the end of the machine with copies in
// flight. ORIGIN and STORE are the chunks at which a later round begins. As
// "activate TOOL" it activates the remaining store and prints the kernel's
// figures. As "fill TOOL ORIGIN STORE" it activates the store and writes to the
// origin until the store is full. As "stream TOOL ORIGINDISK COWDISK" it makes a
// snapshot on disks without a slow piece, and writes until the machine ends.
package main

// From the top down: main, fill, streams, activate, crash, devices, tell.

import (
	"fmt"
	"os"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

func main() {
	if err := play(os.Args[1:]); err != nil {
		tell(scene.Failed, "%v", err)
		os.Exit(1)
	}
}

// play plays the part that the arguments name.
func play(args []string) error {
	if len(args) == 4 && args[0] == "stream" {
		return stream(args[1], args[2], args[3])
	}
	parts := map[string]func(tool string, round scene.Round) error{"crash": crash, "activate": activate, "fill": fill}
	var round scene.Round
	part, err := (func(string, scene.Round) error)(nil), error(nil)
	if len(args) == 4 {
		part = parts[args[0]]
		_, err = fmt.Sscan(args[2]+" "+args[3], &round.Origin, &round.Store)
	}
	if part == nil || err != nil {
		fmt.Fprintln(os.Stderr, "usage: actor crash|activate|fill TOOL ORIGIN STORE\n       actor stream TOOL ORIGINDISK COWDISK")
		os.Exit(64)
	}
	return part(args[1], round)
}
