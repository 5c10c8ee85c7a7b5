//go:build linux

// Command guest is the first process of a lab machine: it mounts what a
// program expects, loads modules, runs the program, reports its exit status and
// switches the machine off. It is built static and started by package lab.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: runs as the first process of a lab machine only")
		os.Exit(64)
	}
	// The kernel panics when its first process ends, so nothing below may
	// return early past the power switch.
	defer powerOff()
	if err := mountBase(os.Getenv(job.Variable)); err != nil {
		fmt.Println("guest:", err)
		return
	}
	outcome, err := carryOut()
	if err != nil {
		outcome.Failure = err.Error()
	}
	if err := outcome.Write(job.Mount); err != nil {
		fmt.Println("guest: report the outcome:", err)
	}
}

// carryOut does the job that lies in [job.Mount].
func carryOut() (job.Outcome, error) {
	j, err := job.Read(job.Mount)
	if err != nil {
		return job.Outcome{}, err
	}
	for _, dir := range j.Writable {
		if err := mountWritable(dir, dir); err != nil {
			return job.Outcome{}, err
		}
	}
	for _, file := range j.Modules {
		if err := loadModule(file); err != nil {
			return job.Outcome{}, err
		}
	}
	return run(j)
}

// powerOff ends the machine. It calls no sync: that would wait for ever for a
// device the program left suspended, and hostfs writes a file out when it is
// closed.
func powerOff() {
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guest: power off:", err)
	}
	select {}
}
