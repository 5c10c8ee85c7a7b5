// What the two engines have in common, and how what a program sees differs
// between them.

//go:build linux

package lab

import (
	"os"
)

// Engine is what runs a kernel. Each kernel is built for one engine.
type Engine string

const (
	// UML is User-mode Linux: the kernel is an ordinary process, has one CPU,
	// and boots in two seconds everywhere.
	UML Engine = "uml"
	// QEMU runs a distribution's own kernel on several CPUs. It uses KVM if the
	// machine has it, else emulation.
	QEMU Engine = "qemu"
)

// Defaults of a [Machine].
const (
	DefaultMemoryMiB     = 512  // of User-mode Linux
	DefaultFullMemoryMiB = 1024 // of QEMU
	DefaultCPUs          = 2    // of QEMU; User-mode Linux has one
)

// MaxDisks is the most disks of a machine. It is the limit of User-mode Linux
// (arch/um/drivers/ubd_kern.c, MAX_DEV), and applies to QEMU too.
const MaxDisks = 16

// DiskName returns the name of the i-th disk in a machine, counted from 0.
func (e Engine) DiskName(i int) string {
	letter := string(rune('a' + i))
	if e == QEMU {
		return "/dev/vd" + letter
	}
	return "/dev/ubd" + letter
}

// File descriptors of the machine's first process, besides the standard ones.
const (
	stdoutFD = 3 // the program's standard output
	stderrFD = 4
	leashFD  = 5 // closed when this process ends in any way
	extraFD  = 6 // the first that a launch may use
)

// launch says how to start a machine's processes.
type launch struct {
	words []string   // the program and its arguments; the machine ends when it ends
	env   []string   // NAME=value
	files []*os.File // passed on, from [extraFD] on
}

func (l launch) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// memory returns the machine's memory in MiB.
func (m Machine) memory() int {
	switch {
	case m.MemoryMiB != 0:
		return m.MemoryMiB
	case m.Kernel.Engine == QEMU:
		return DefaultFullMemoryMiB
	}
	return DefaultMemoryMiB
}
