//go:build linux

// lab matrix: kernel tests on many kernels, and one table of them.

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/matrix"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
)

func testMatrix(args []string) (int, error) {
	flags := flag.NewFlagSet("lab matrix", flag.ContinueOnError)
	which := flags.String("kernels", "all", "`list` of kernels, such as uml-6.1,qemu-6.12")
	variants := flags.String("variants", strings.Join(variant.Names(), ","), "`list` of dm-snapshot variants")
	run := flags.String("run", "Test", "`expression` that names the tests, as for go test")
	if err := flags.Parse(args); err != nil {
		return exitUsage, nil // flag has printed why
	}
	names, err := kernels.Parse(*which)
	if err != nil {
		return exitUsage, err
	}
	if flags.NArg() == 0 {
		return exitUsage, errors.New("matrix: no packages given")
	}
	self, err := os.Executable()
	if err != nil {
		return exitNotRun, err
	}
	var rows []matrix.Row
	status := 0
	for _, name := range names {
		for _, v := range strings.Split(*variants, ",") {
			if why := name.StockOnly(); why != "" && v != variant.Stock {
				not := matrix.Result{Package: "all", Not: []string{"all tests (" + why + ")"}}
				rows = append(rows, matrix.Row{Kernel: name.String(), Variant: v, Result: not})
				continue
			}
			fmt.Fprintf(os.Stderr, "lab: tests on %s %s\n", name, v)
			results, err := testOn(self, name, v, *run, flags.Args())
			if err != nil {
				return exitNotRun, err
			}
			for _, r := range results {
				r.Package = strings.TrimPrefix(r.Package, "github.com/dmsnapctl/dmsnapctl/")
				row := matrix.Row{Kernel: name.String(), Variant: v, Result: r}
				if len(r.Failed) > 0 || !row.Ran() {
					status = 1
				}
				rows = append(rows, row)
			}
		}
	}
	return status, matrix.Print(os.Stdout, rows)
}

// testOn runs the tests on one kernel. Failed tests are a result, not an error.
func testOn(self string, name kernels.Name, which, run string, packages []string) ([]matrix.Result, error) {
	inside := fmt.Sprintf("%s exec -engine %s -kernel %s", self, name.Engine, name.Series)
	if which != variant.Stock {
		inside += " -" + which
	}
	args := []string{"test", "-json", "-tags", "kernel", "-count=1", "-p", "1", "-timeout", "60m", "-run", run, "-exec", inside}
	var out bytes.Buffer
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // like the program: some tests limit its memory
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return nil, err
	}
	results, err := matrix.Read(&out)
	if err == nil && len(results) == 0 {
		err = fmt.Errorf("go test ran nothing on %s", name)
	}
	return results, err
}
