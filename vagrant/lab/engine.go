// What the two engines have in common, and where they differ in what a machine's
// program sees.

//go:build linux

package lab

import (
	"os"
)

// Engine is what runs a kernel. A kernel is built for one of them.
type Engine string

const (
	// UML is User-mode Linux: the kernel is an ordinary process, has one CPU,
	// and is up in two seconds everywhere.
	UML Engine = "uml"
	// QEMU runs a distribution's own kernel on several CPUs, by KVM where the
	// machine has it and by emulation elsewhere.
	QEMU Engine = "qemu"
)

// Defaults of a [Machine].
const (
	DefaultMemoryMiB     = 512  // of User-mode Linux
	DefaultFullMemoryMiB = 1024 // of QEMU
	DefaultCPUs          = 2    // of QEMU; User-mode Linux has one
)

// MaxDisks is how many disks a User-mode Linux takes
// (arch/um/drivers/ubd_kern.c, MAX_DEV); QEMU gets no more.
const MaxDisks = 16

// DiskName is the name of the i-th disk in a machine, counted from 0.
func (e Engine) DiskName(i int) string {
	letter := string(rune('a' + i))
	if e == QEMU {
		return "/dev/vd" + letter
	}
	return "/dev/ubd" + letter
}

// Descriptors of the machine's first process beside the standard ones.
const (
	stdoutFD = 3 // what the program writes to its standard output
	stderrFD = 4
	leashFD  = 5 // closed when this process ends, however it ends
	extraFD  = 6 // the first of a launch's own
)

// launch is how a machine's processes are started.
type launch struct {
	words []string   // the program on whose life the machine's hangs, and its arguments
	env   []string   // NAME=value
	files []*os.File // handed over from [extraFD] on
}

func (l launch) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// memory is the machine's memory in MiB.
func (m Machine) memory() int {
	switch {
	case m.MemoryMiB != 0:
		return m.MemoryMiB
	case m.Kernel.Engine == QEMU:
		return DefaultFullMemoryMiB
	}
	return DefaultMemoryMiB
}
