//go:build linux

// Running the job's program, with its output on separate console lines.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// lingering bounds the wait for output from processes that the program left
// behind.
const lingering = 2 * time.Second

// run runs the program to its end. An error means that it did not run.
func run(j job.Job) (job.Outcome, error) {
	stdout, err := openLine(j.Stdout)
	if err != nil {
		return job.Outcome{}, err
	}
	stderr, err := openLine(j.Stderr)
	if err != nil {
		return job.Outcome{}, err
	}
	cmd := exec.Command(j.Program, j.Args...)
	cmd.Dir = j.Dir
	cmd.Env = append(j.Env, "PATH="+searchPath(j.Env), "TMPDIR="+scratch, "HOME="+scratch, "PWD="+j.Dir)
	// Wrapped, so that the program writes to pipes, as under go test, and does
	// not see a terminal.
	cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout), io.MultiWriter(stderr)
	cmd.WaitDelay = lingering
	err = cmd.Run()
	drain(stdout)
	drain(stderr)
	return outcome(cmd, err)
}

// searchPath returns the PATH of env, extended by the place where Debian keeps
// dmsetup: after a plain su, the PATH of root lacks it.
func searchPath(env []string) string {
	const system = "/usr/sbin:/usr/bin:/sbin:/bin"
	for _, variable := range slices.Backward(env) { // the last one counts
		if path, ok := strings.CutPrefix(variable, "PATH="); ok && path != "" {
			return path + ":" + system
		}
	}
	return system
}

// outcome distinguishes a program that failed from one that could not be
// started.
func outcome(cmd *exec.Cmd, err error) (job.Outcome, error) {
	if cmd.ProcessState == nil {
		return job.Outcome{}, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, exec.ErrWaitDelay) {
		return job.Outcome{}, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return job.Outcome{Exit: 128 + int(status.Signal())}, nil
	}
	return job.Outcome{Exit: cmd.ProcessState.ExitCode()}, nil
}

// openLine opens a device for output and makes it pass bytes unchanged. A
// device that is not a terminal does so anyway.
func openLine(name string) (*os.File, error) {
	path, err := lineDevice(name)
	if err != nil {
		return nil, err
	}
	line, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(line.Fd()), unix.TCGETS)
	if errors.Is(err, unix.ENOTTY) {
		return line, nil
	}
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", path, err)
	}
	settings.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(line.Fd()), unix.TCSETS, settings); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", path, err)
	}
	return line, nil
}

// lineDevice returns the path of an output device that a job names.
func lineDevice(name string) (string, error) {
	port, ok := strings.CutPrefix(name, job.Port)
	if !ok {
		return name, nil
	}
	files, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) == port {
			return "/dev/" + filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", fmt.Errorf("this machine has no port %s", port)
}

// drain waits until the host has received all output, because power off would
// drop it. For a device that is not a terminal, a write returns only when the
// host has received it.
func drain(line *os.File) {
	const wait = 1 // any argument but 0: wait for the output, send no break
	_ = unix.IoctlSetInt(int(line.Fd()), unix.TCSBRK, wait)
}
