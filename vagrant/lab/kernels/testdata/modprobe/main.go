// Modprobe is the program that a kernel under test runs to load a module. It
// is called like the real one, with options and then the name, and loads that
// file of User-mode Linux's device mapper.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func main() {
	if err := load(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "modprobe:", err)
		os.Exit(1)
	}
}

func load(module string) error {
	files, err := filepath.Glob(filepath.Join("/usr/lib/uml/modules/*/kernel/drivers/md", filepath.Base(module)+".ko"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no module %s: %v", module, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
