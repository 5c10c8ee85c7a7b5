//go:build linux

// lab exec: one program inside one kernel, as go test -exec calls it.

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
)

// Environment variables for kernel tests: their scratch disks (separated by
// colons), the dm-snapshot of the kernel, the modules that it lacks (separated
// by commas), and the state of udev.
const (
	disksVariable   = "DMSNAPCTL_TEST_DISKS"
	kernelVariable  = "DMSNAPCTL_TEST_KERNEL"
	missingVariable = "DMSNAPCTL_TEST_MISSING"
	udevVariable    = "DMSNAPCTL_TEST_UDEV"
)

// grace is the time that a machine gets beyond the time limit of the test
// inside, to boot and to report that the limit was reached.
const grace = 30 * time.Second

// settings are the flags of lab exec.
type settings struct {
	engine  string
	kernel  string
	leaky   bool
	mended  bool
	cpus    int
	memory  int
	disks   int
	disk    int
	modules string
	write   string
	udev    string
	timeout time.Duration
	verbose bool
}

func execute(args []string) (int, error) {
	var s settings
	flags := flag.NewFlagSet("lab exec", flag.ContinueOnError)
	flags.StringVar(&s.engine, "engine", string(lab.UML), "`engine` that runs the kernel: uml or qemu")
	flags.StringVar(&s.kernel, "kernel", "", "`series` of the kernel, such as 6.12 (default: uml 6.1, qemu 6.12); or stock, leaky or mended, for that dm-snapshot in the default kernel")
	flags.BoolVar(&s.leaky, "leaky", false, "give the kernel a dm-snapshot with the space leak")
	flags.BoolVar(&s.mended, "mended", false, "give the kernel a dm-snapshot with the remedies of docs/crash-findings.md")
	flags.IntVar(&s.cpus, "cpus", 0, "`number` of processors (default: uml has 1, qemu 2)")
	flags.IntVar(&s.memory, "memory", 0, "memory of the machine in `MiB` (default: uml 512, qemu 1024)")
	flags.IntVar(&s.disks, "disks", 4, "`number` of blank scratch disks")
	flags.IntVar(&s.disk, "disk-size", 256, "size of a scratch disk in `MiB`")
	flags.StringVar(&s.modules, "modules", strings.Join(append(slices.Clone(lab.DeviceMapper), "dm-thin-pool", "fuse", "loop", "ext4", "xfs"), ","), "kernel modules to load, comma separated; the test is told which of them the kernel lacks")
	flags.StringVar(&s.write, "write", "", "more `directories` of the host that the program may write to, colon separated")
	flags.StringVar(&s.udev, "udev", "", "run udev in the machine and leave it in this `state`: alive, hung (stopped) or dead (killed)")
	flags.DurationVar(&s.timeout, "timeout", 0, "hard limit for the machine (default: the test's -test.timeout and 30s, or 15m)")
	flags.BoolVar(&s.verbose, "v", false, "show the kernel's messages too, on standard error")
	if err := flags.Parse(args); err != nil {
		return exitUsage, nil // flag has printed why
	}
	if flags.NArg() == 0 {
		return exitUsage, errors.New("exec: no program given")
	}
	m, err := s.machine(flags.Arg(0), flags.Args()[1:])
	if err != nil {
		return exitNotRun, err
	}
	running, err := m.Start()
	if err != nil {
		return exitNotRun, err
	}
	status, err := running.Wait()
	var failure *lab.Failure
	if errors.Is(err, lab.ErrPanic) && errors.As(err, &failure) && !s.verbose {
		fmt.Fprintln(os.Stderr, failure.Console) // with the trace
	}
	if err != nil {
		return exitNotRun, fmt.Errorf("%s: %w", filepath.Base(m.Program), err)
	}
	return status, nil
}

// machine returns the machine that runs program with args, the flags of a test
// binary.
func (s settings) machine(program string, args []string) (lab.Machine, error) {
	name, which, err := s.choice()
	if err != nil {
		return lab.Machine{}, err
	}
	kernel, err := name.Find()
	if err != nil {
		return lab.Machine{}, err
	}
	replace, err := variant.Modules(which, kernel)
	if err != nil {
		return lab.Machine{}, err
	}
	modules := strings.FieldsFunc(s.modules, func(r rune) bool { return r == ',' })
	missing, err := kernel.Missing(modules)
	if err != nil {
		return lab.Machine{}, err
	}
	m := lab.Machine{
		Kernel:    kernel.Kernel,
		CPUs:      s.cpus,
		MemoryMiB: s.memory,
		Modules:   slices.DeleteFunc(modules, func(m string) bool { return slices.Contains(missing, m) }),
		Replace:   replace,
		Udev:      s.udev,
		Writable:  append(writable(args), filepath.SplitList(s.write)...),
		Program:   program,
		Args:      args,
		Env:       os.Environ(),
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Timeout:   s.limit(args),
	}
	if s.verbose {
		m.Console = os.Stderr
	}
	var names []string
	for i := range s.disks {
		m.Disks = append(m.Disks, lab.Disk{Bytes: int64(s.disk) << 20})
		names = append(names, kernel.Engine.DiskName(i))
	}
	m.Env = append(m.Env, disksVariable+"="+strings.Join(names, ":"), kernelVariable+"="+which,
		missingVariable+"="+strings.Join(missing, ","), udevVariable+"="+s.udev)
	return m, nil
}

// choice returns the kernel and the dm-snapshot that the flags select.
func (s settings) choice() (kernels.Name, string, error) {
	which, series := variant.Stock, s.kernel
	if slices.Contains(variant.Names(), series) {
		which, series = series, ""
	}
	switch {
	case s.leaky && s.mended:
		return kernels.Name{}, "", errors.New("-leaky and -mended exclude each other")
	case s.leaky:
		which = variant.Leaky.Name
	case s.mended:
		which = variant.Mended.Name
	}
	name, err := kernels.Of(lab.Engine(s.engine), series)
	return name, which, err
}

// limit returns the hard time limit of the machine.
func (s settings) limit(args []string) time.Duration {
	if s.timeout > 0 {
		return s.timeout
	}
	for _, arg := range args {
		value, ok := strings.CutPrefix(arg, "-test.timeout=")
		if limit, err := time.ParseDuration(value); ok && err == nil && limit > 0 {
			return limit + grace
		}
	}
	return 15 * time.Minute
}

// writable returns the directories in which a test may write when it runs on
// the host: that of its package, and those of its output files.
func writable(args []string) []string {
	dirs := []string{"."}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "-test.outputdir", "-test.gocoverdir", "-test.fuzzcachedir":
			dirs = append(dirs, value)
		case "-test.coverprofile", "-test.cpuprofile", "-test.memprofile",
			"-test.blockprofile", "-test.mutexprofile", "-test.trace", "-test.testlogfile":
			dirs = append(dirs, filepath.Dir(value))
		}
	}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		dirs = append(dirs, dir)
	}
	return dirs
}
