// Package job is the exchange between the host and the guest of a lab machine:
// a [Job] goes in and an [Outcome] comes out. Both are JSON files in one
// directory of the host, which the guest mounts writable.
//
// They are files because the kernel's command line is short, and the console
// has the kernel's own messages.
package job

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Variable is the environment variable (a word on the kernel's command line)
// that gives the guest the job's directory.
const Variable = "DMSNAPCTL_LAB_JOB"

// ShareVariable gives, in the same way, the virtio-fs share with the host's
// files. With it, the guest begins in a ramdisk and makes the share its root.
// Without it, the root already has the host's files.
const ShareVariable = "DMSNAPCTL_LAB_SHARE"

// Port begins the name of a virtio port, which the guest looks up.
const Port = "virtio-port:"

// Paths in the ramdisk: the modules that are needed to mount the share, and the
// list of their files, one per line, in loading order.
const (
	RamdiskModules = "/modules"
	RamdiskList    = "/modules.list"
)

// Names of the files in the job's directory.
const (
	InitFile    = "init"
	jobFile     = "job.json"
	outcomeFile = "outcome.json"
)

// Mount is where the guest mounts the job's directory. It is on a tmpfs, so
// that it exists on every host.
const Mount = "/run/lab"

// The states of udev when the program runs.
const (
	UdevAlive = "alive" // it has seen all devices and runs
	UdevHung  = "hung"  // stopped by SIGSTOP
	UdevDead  = "dead"  // killed; its socket stays
)

// Job is a program to run in the guest.
type Job struct {
	// Modules are the files of kernel modules, in loading order.
	Modules []string
	// Writable are the directories of the host that the guest may write to,
	// under the same names. Everything else of the host is read-only.
	Writable []string
	// Stdout and Stderr are the guest's devices for the program's output: a
	// path, or [Port] and a name. The kernel's messages use another device.
	Stdout, Stderr string

	// Udev is the state of udev when the program starts, one of the constants;
	// empty if there is no udev.
	Udev string `json:",omitempty"`

	Program string
	Args    []string // without the program's name
	Dir     string
	Env     []string
}

// Outcome is the result of a job.
type Outcome struct {
	// Exit is the program's exit status, 128+n after signal n.
	Exit int
	// Failure says why the program was not run; empty if it was.
	Failure string `json:",omitempty"`
}

// Write writes the job to dir.
func (j Job) Write(dir string) error { return write(dir, jobFile, j) }

// Read reads the job from dir.
func Read(dir string) (j Job, err error) {
	err = read(dir, jobFile, &j)
	return j, err
}

// Write writes the outcome to dir, completely or not at all.
func (o Outcome) Write(dir string) error { return write(dir, outcomeFile, o) }

// ReadOutcome reads the outcome from dir. The error is [os.ErrNotExist] if the
// guest ended without one.
func ReadOutcome(dir string) (o Outcome, err error) {
	err = read(dir, outcomeFile, &o)
	return o, err
}

// write makes the file appear under its name only when it is complete: the
// machine may be killed at any moment.
func write(dir, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func read(dir, name string, value any) error {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("decode %s: %w", path, err)
	}
	return nil
}
