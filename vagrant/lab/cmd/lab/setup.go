//go:build linux

// lab setup: everything the lab needs on a fresh machine.

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/box"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
)

// testKernels are the kernels that make test boots and reads.
const testKernels = "uml-6.1,qemu-6.12"

func setup(args []string) (int, error) {
	flags := flag.NewFlagSet("lab setup", flag.ContinueOnError)
	which := flags.String("kernels", "", "`list` of kernels to get, such as uml-6.1,qemu-6.12; or all (default: uml-6.1)")
	tests := flags.Bool("tests", false, "also get what only the tests need: "+strings.Join(box.ForTests, ", ")+", and the kernels "+testKernels)
	only := flags.Bool("packages", false, "get no kernel, but the packages that kernel tests run: for tests on this machine's own kernel")
	bench := flags.Bool("bench", false, "also install what only the benchmarks need: fio")
	if err := flags.Parse(args); err != nil {
		return exitUsage, nil // flag has printed why
	}
	if *which == "" {
		*which = kernels.All[0].String()
		if *tests {
			*which = testKernels
		}
	}
	names, err := kernels.Parse(*which)
	if err != nil {
		return exitUsage, err
	}
	if *only {
		names = nil
	}
	progress := prefixed{os.Stdout}
	for _, name := range names {
		if err := prepare(name, progress); err != nil {
			return exitNotRun, err
		}
	}
	var more []string
	if *tests || *only {
		more = append(more, box.ForTests...)
	}
	if *bench {
		more = append(more, "fio")
	}
	if err := packages.Install(progress, more...); err != nil {
		return exitNotRun, err
	}
	return 0, nil
}

// prepare gets and builds what a kernel needs to boot in all variants.
func prepare(name kernels.Name, progress io.Writer) error {
	kernel, err := name.Ensure(progress)
	if err != nil {
		return err
	}
	if why := name.StockOnly(); why != "" {
		fmt.Fprintf(progress, "ready: kernel %s (%s), stock only: %s\n", name, kernel.Release, why)
		return nil
	}
	for _, v := range variant.All {
		module, err := v.Ensure(kernel, progress)
		if err != nil {
			return err
		}
		fmt.Fprintf(progress, "ready: kernel %s (%s), %s module %s\n", name, kernel.Release, v.Name, module)
	}
	return nil
}

// prefixed begins each line of progress with the name of the program.
type prefixed struct{ io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(p.Writer, "lab: %s", line)
	return len(line), err
}
