// The log of writes that the crash commands read, and flags that they share.

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// withLog runs action with a log and, if one was given, the base image.
func withLog(c *cli.Context, action func(l *logwrites.Log, base io.ReaderAt, size int64) error) error {
	if err := needFlags(c, "log"); err != nil {
		return err
	}
	return openLog(outputOf(c), c.String("log"), func(l *logwrites.Log) error { return withBase(c, l, action) })
}

// openLog runs action with a log.
func openLog(o *console, path string, action func(*logwrites.Log) error) (err error) {
	file, err := o.openInput(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	direct, err := file.Direct() // dm-log-writes writes below the page cache
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, direct.Close()) }()
	l, err := logwrites.Open(direct, direct.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return action(l)
}

// withBase runs action with a log and, if one was given, the base image.
func withBase(c *cli.Context, l *logwrites.Log, action func(l *logwrites.Log, base io.ReaderAt, size int64) error) (err error) {
	path := c.String("base")
	if path == "" {
		return action(l, nil, 0)
	}
	base, err := outputOf(c).openInput(path)
	if err != nil {
		return fmt.Errorf("the base image: %w", err)
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	return action(l, base, base.Size())
}

// logOutput is the file that a flag names, or nil without the flag. It refuses
// inputs of the command.
func logOutput(c *cli.Context, flag string, opt output.Options) (*output.Destination, error) {
	switch name := c.String(flag); {
	case name == "" && c.IsSet(flag):
		return nil, usagef("%s: --%s is empty; name a file", commandName(c), flag)
	case name == "":
		return nil, nil
	default:
		opt.Reads = append(slices.Clone(opt.Reads), c.String("log"), c.String("base"), c.String("upper"))
		return output.To(name, opt)
	}
}

// kernelFlag reads a flag that names one of at least two kernels.
func kernelFlag(c *cli.Context, name string, kernels ...allocator.Kernel) (allocator.Kernel, error) {
	k := allocator.Kernel(c.String(name))
	if slices.Contains(kernels, k) {
		return k, nil
	}
	var names []string
	for _, known := range kernels {
		names = append(names, string(known))
	}
	last := len(names) - 1
	return "", usagef("--%s: %q is not a kernel; write %s or %s", name, k, strings.Join(names[:last], ", "), names[last])
}

// regionFlag reads a flag START+LEN.
func regionFlag(name, value string) (crash.Region, error) {
	r, err := crash.ParseRegion(value)
	if err != nil {
		return r, usagef("--%s: %v", name, err)
	}
	return r, nil
}
