//go:build linux

// Command actor is the demonstration's part inside the machine. As "crash TOOL"
// it makes a snapshot with the dmsnapctl at TOOL, writes to its origin, and
// waits with copies in flight for the machine's end. As "activate TOOL" it
// activates the store that was left and prints the kernel's figures of it.
package main

import (
	"fmt"
	"os"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

func main() {
	parts := map[string]func(tool string) error{"crash": crash, "activate": activate}
	if len(os.Args) != 3 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: actor crash|activate TOOL")
		os.Exit(64)
	}
	if err := parts[os.Args[1]](os.Args[2]); err != nil {
		tell(scene.Failed, "%v", err)
		os.Exit(1)
	}
}
