//go:build linux

// Running the job's program, with its output on console lines of its own.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// lingering bounds the wait for output that comes from processes the program
// left behind.
const lingering = 2 * time.Second

// run runs the program to its end. An error means that it never ran.
func run(j job.Job) (job.Outcome, error) {
	stdout, err := openLine(job.StdoutLine)
	if err != nil {
		return job.Outcome{}, err
	}
	stderr, err := openLine(job.StderrLine)
	if err != nil {
		return job.Outcome{}, err
	}
	cmd := exec.Command(j.Program, j.Args...)
	cmd.Dir = j.Dir
	cmd.Env = append(j.Env, "PATH="+searchPath(j.Env), "TMPDIR="+scratch, "HOME="+scratch, "PWD="+j.Dir)
	// Wrapped, so that the program writes to pipes as it would under go test,
	// and takes neither for a terminal.
	cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout), io.MultiWriter(stderr)
	cmd.WaitDelay = lingering
	err = cmd.Run()
	drain(stdout)
	drain(stderr)
	return outcome(cmd, err)
}

// searchPath is the PATH of env, and where Debian keeps dmsetup: the PATH that
// root has after a plain su lacks that.
func searchPath(env []string) string {
	const system = "/usr/sbin:/usr/bin:/sbin:/bin"
	for _, variable := range slices.Backward(env) { // the last one counts
		if path, ok := strings.CutPrefix(variable, "PATH="); ok && path != "" {
			return path + ":" + system
		}
	}
	return system
}

// outcome tells a program that failed from one that could not be started.
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

// openLine opens a console line and makes it pass bytes on as they are.
func openLine(number int) (*os.File, error) {
	path := fmt.Sprintf("/dev/tty%d", number)
	line, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(line.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", path, err)
	}
	settings.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(line.Fd()), unix.TCSETS, settings); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", path, err)
	}
	return line, nil
}

// drain waits until the host has taken all output; power off would drop it.
func drain(line *os.File) {
	const wait = 1 // any argument but 0: wait for the output, send no break
	_ = unix.IoctlSetInt(int(line.Fd()), unix.TCSBRK, wait)
}
