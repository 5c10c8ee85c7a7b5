//go:build linux

// Command actor is the part of the demonstration inside the machine.
//
// As "crash TOOL ORIGIN STORE" it makes a snapshot with the dmsnapctl at TOOL,
// writes to its origin, and waits for the end of the machine with copies in
// flight. ORIGIN and STORE are the chunks at which a later round begins. As
// "activate TOOL" it activates the remaining store and prints the kernel's
// figures. As "fill TOOL ORIGIN STORE" it activates the store and writes to the
// origin until the store is full.
package main

import (
	"fmt"
	"os"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

func main() {
	parts := map[string]func(tool string, round scene.Round) error{"crash": crash, "activate": activate, "fill": fill}
	var round scene.Round
	part, err := (func(string, scene.Round) error)(nil), error(nil)
	if len(os.Args) == 5 {
		part = parts[os.Args[1]]
		_, err = fmt.Sscan(os.Args[3]+" "+os.Args[4], &round.Origin, &round.Store)
	}
	if part == nil || err != nil {
		fmt.Fprintln(os.Stderr, "usage: actor crash|activate|fill TOOL ORIGIN STORE")
		os.Exit(64)
	}
	if err := part(os.Args[2], round); err != nil {
		tell(scene.Failed, "%v", err)
		os.Exit(1)
	}
}
