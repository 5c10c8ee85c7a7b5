//go:build linux

// Command guest is the first process of a lab machine. It mounts what programs
// expect, loads modules, runs the program, reports its exit status and switches
// the machine off. Package lab builds it as a static program and starts it: in
// User-mode Linux from the host's files, in QEMU from a ramdisk.
package main

// From the top down: main, host, modules, mounts, cpus, run, udev.

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
	// return before the power is off.
	defer powerOff()
	host, err := prepare(os.Getenv(job.Variable), os.Getenv(job.ShareVariable))
	if err != nil {
		fmt.Println("guest:", err)
		return
	}
	outcome, err := carryOut(host)
	if err != nil {
		outcome.Failure = err.Error()
	}
	if err := outcome.Write(job.Mount); err != nil {
		fmt.Println("guest: report the outcome:", err)
	}
}

// prepare makes the machine ready for programs, and shows the job at
// [job.Mount].
func prepare(jobDir, share string) (hostFiles, error) {
	var host hostFiles = hostfs{}
	if share != "" {
		if err := enterShare(share); err != nil {
			return nil, err
		}
		host = virtiofs{}
	}
	if err := mountBase(); err != nil {
		return nil, err
	}
	if err := host.open(); err != nil {
		return nil, err
	}
	return host, host.mountWritable(jobDir, job.Mount)
}

// carryOut runs the job in [job.Mount].
func carryOut(host hostFiles) (job.Outcome, error) {
	j, err := job.Read(job.Mount)
	if err != nil {
		return job.Outcome{}, err
	}
	for _, dir := range j.Writable {
		if err := host.mountWritable(dir, dir); err != nil {
			return job.Outcome{}, err
		}
	}
	if err := host.close(); err != nil {
		return job.Outcome{}, err
	}
	for _, file := range j.Modules {
		if err := loadModule(file); err != nil {
			return job.Outcome{}, err
		}
	}
	if err := startCPUs(); err != nil {
		return job.Outcome{}, err
	}
	if err := startUdev(j.Udev); err != nil {
		return job.Outcome{}, err
	}
	return run(j)
}

// powerOff ends the machine. It does not call sync, which would wait forever
// for a device that the program left suspended. A host file is written when it
// is closed.
func powerOff() {
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guest: power off:", err)
	}
	select {}
}
