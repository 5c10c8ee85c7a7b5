//go:build linux

// lab setup: everything the lab needs on a fresh machine.

package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/distro"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/leaky"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

func setup(args []string) (int, error) {
	flags := flag.NewFlagSet("lab setup", flag.ContinueOnError)
	tests := flags.Bool("tests", false, "also get what only tests need: dmsetup, e2fsprogs, qemu-utils, bmap-tools, and a kernel with packed modules, to be read")
	bench := flags.Bool("bench", false, "also install what only benchmarks compare with: fio and lvm2")
	if err := flags.Parse(args); err != nil {
		return exitUsage, nil // flag has said why
	}
	progress := prefixed{os.Stdout}
	if err := prepare(progress); err != nil {
		return exitNotRun, err
	}
	if *tests {
		// Kernel tests hold what they build and see against dmsetup's, and put
		// file systems on it. qemu-img and bmaptool judge the images.
		if err := packages.Install(progress, "dmsetup", "e2fsprogs", "mount", "qemu-utils", "bmap-tools"); err != nil {
			return exitNotRun, err
		}
		packed, err := distro.Ensure(progress)
		if err != nil {
			return exitNotRun, err
		}
		fmt.Fprintf(progress, "ready: kernel with packed modules %s\n", packed)
	}
	if *bench {
		if err := packages.Install(progress, "fio", "lvm2"); err != nil {
			return exitNotRun, err
		}
	}
	return 0, nil
}

// prepare installs and builds what is missing for kernels to boot.
func prepare(progress io.Writer) error {
	kernel, err := lab.FindKernel()
	if err != nil {
		if err := packages.Install(progress, "user-mode-linux"); err != nil {
			return err
		}
		if kernel, err = lab.FindKernel(); err != nil {
			return err
		}
	}
	module, err := leaky.Ensure(kernel, progress)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "ready: kernel %s, leaky module %s\n", kernel.Release, module)
	return nil
}

// prefixed begins each line of progress with who speaks.
type prefixed struct{ io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(p.Writer, "lab: %s", line)
	return len(line), err
}
