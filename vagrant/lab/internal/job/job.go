// Package job is what the host and the guest of a lab machine say to each
// other: a [Job] on the way in, an [Outcome] on the way out, both as JSON files
// in one directory of the host that the guest mounts writable.
//
// Files, and not the kernel's command line or its console, because the command
// line is short and the console carries the kernel's own messages.
package job

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Variable is the environment variable (a word on the kernel's command line)
// that names the job's directory to the guest.
const Variable = "DMSNAPCTL_LAB_JOB"

// ShareVariable names, in the same way, the virtio-fs share with the host's
// files. With it the guest begins in a ramdisk and makes the share its root;
// without it the host's files are the root already.
const ShareVariable = "DMSNAPCTL_LAB_SHARE"

// Port begins the name of a virtio port, which the guest looks for.
const Port = "virtio-port:"

// Places in the ramdisk: the modules that mounting the share takes, and the list
// of their files, one a line, in the order to load them.
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

// Mount is where the guest mounts the job's directory. It lies on a tmpfs, so
// that the place exists whatever the host looks like.
const Mount = "/run/lab"

// What udev is like when the program runs.
const (
	UdevAlive = "alive" // it has seen all devices, and goes on
	UdevHung  = "hung"  // stopped by SIGSTOP
	UdevDead  = "dead"  // killed; its socket stays
)

// Job is one program to run in the guest.
type Job struct {
	// Modules are the files of kernel modules, in the order to load them.
	Modules []string
	// Writable are directories of the host that the guest may write to, each
	// under its own name. Everything else of the host is read-only.
	Writable []string
	// Stdout and Stderr are the devices of the guest that carry the program's
	// output: a path, or [Port] and a name. The kernel's messages have one of
	// their own.
	Stdout, Stderr string

	// Udev is what becomes of udev before the program runs, one of the
	// constants; empty where there is none.
	Udev string `json:",omitempty"`

	Program string
	Args    []string // without the program's name
	Dir     string
	Env     []string
}

// Outcome is what became of a job.
type Outcome struct {
	// Exit is the program's exit status, 128+n after signal n.
	Exit int
	// Failure says why the program was not run at all; empty when it was.
	Failure string `json:",omitempty"`
}

// Write puts the job into dir.
func (j Job) Write(dir string) error { return write(dir, jobFile, j) }

// Read takes the job from dir.
func Read(dir string) (j Job, err error) {
	err = read(dir, jobFile, &j)
	return j, err
}

// Write puts the outcome into dir, whole or not at all.
func (o Outcome) Write(dir string) error { return write(dir, outcomeFile, o) }

// ReadOutcome takes the outcome from dir; the error is [os.ErrNotExist] when
// the guest ended without one.
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
