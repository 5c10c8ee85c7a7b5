//go:build linux

// udev in the guest: systemd-udevd of the host, in one of several states.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

const (
	udevControl = "/run/udev/control"
	// udevPatience bounds the wait for udevd's start and for its first scan of
	// all devices, on a slow machine under load.
	udevPatience = 2 * time.Minute
	// udevTries limits how often a command of udevadm is run.
	udevTries = 3
)

// startUdev starts udevd and lets it scan all devices. Then it leaves it
// running, stops it or kills it, as state says.
func startUdev(state string) error {
	if state == "" {
		return nil
	}
	// Its messages go to the console: the other lines are for the program only.
	udevd := exec.Command("/usr/lib/systemd/systemd-udevd")
	udevd.Stdout, udevd.Stderr = os.Stdout, os.Stdout
	udevd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := udevd.Start(); err != nil {
		return fmt.Errorf("start udev: %w", err)
	}
	for end := time.Now().Add(udevPatience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(udevControl); err == nil {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("udev has made no %s in %v", udevControl, udevPatience)
		}
	}
	for _, args := range [][]string{
		{"trigger", "--action=add", "--subsystem-match=block", "--subsystem-match=mem", "--subsystem-match=misc"},
		{"settle", fmt.Sprintf("--timeout=%d", int(udevPatience.Seconds()))},
	} {
		if err := udevadm(args...); err != nil {
			return err
		}
	}
	group := -udevd.Process.Pid
	switch state {
	case job.UdevAlive:
		return nil
	case job.UdevHung:
		return syscall.Kill(group, syscall.SIGSTOP)
	case job.UdevDead:
		return errors.Join(syscall.Kill(group, syscall.SIGKILL), ignoreExit(udevd.Wait()))
	}
	return fmt.Errorf("udev cannot be %q", state)
}

// udevadm runs one of its commands. Debian 12's settle sometimes fails when udev
// answers too early (a broken pipe), so that it is tried again.
func udevadm(args ...string) error {
	for try := 1; ; try++ {
		out, err := exec.Command("/usr/bin/udevadm", args...).CombinedOutput()
		if err == nil {
			return nil
		}
		if try == udevTries {
			return fmt.Errorf("udevadm %s: %w: %s", args[0], err, bytes.TrimSpace(out))
		}
	}
}

// ignoreExit returns only errors that are not an exit status.
func ignoreExit(err error) error {
	if errors.As(err, new(*exec.ExitError)) {
		return nil
	}
	return err
}
