// What crash record runs: COMMAND, and with two logs the command of --setup.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

// The environment of a workload: the paths of the recorded devices.
const (
	deviceVariable = "DMSNAPCTL_DEVICE"
	upperVariable  = "DMSNAPCTL_UPPER"
)

// recordTwo builds the stack on a recorded device, records a device in it, runs
// COMMAND on that, and takes everything down.
func recordTwo(c *cli.Context, o *console, ctl *dmctl.Controller, lower *dmctl.Recording, result *recordJSON) error {
	tower, err := recordAbove(c, o, ctl, lower, &result.Upper.Device)
	if err != nil {
		_, errFinish := lower.FinishAll()
		return errors.Join(err, errFinish)
	}
	marking, stop := context.WithCancel(c.Context)
	marked := make(chan error, 1)
	go func() { marked <- tower.KeepMarking(marking) }()
	devices := map[string]string{deviceVariable: lower.Path, upperVariable: tower.Upper.Path}
	status, errCommand := runWorkload(c, o, recordedProgram{args: c.Args().Slice(), devices: devices})
	stop()
	errMarks := <-marked
	above, below, marks, errFinish := tower.Finish()
	result.CommandExit, result.Entries, result.LogBytes, result.LogFull = status, below.Entries, below.Bytes, below.Full
	u := result.Upper
	u.Entries, u.LogBytes, u.LogFull, u.Marks = above.Entries, above.Bytes, above.Full, marks
	return errors.Join(errFinish, errCommand, errMarks)
}

// recordAbove builds the stack, and records the device that --setup prints.
func recordAbove(c *cli.Context, o *console, ctl *dmctl.Controller, lower *dmctl.Recording, device *string) (*dmctl.Tower, error) {
	said := &head{left: maxSetupOutput}
	setup := recordedProgram{args: []string{"/bin/sh", "-c", c.String("setup")}, devices: map[string]string{deviceVariable: lower.Path}, stdout: said}
	status, err := runWorkload(c, o, setup)
	switch {
	case err != nil:
		return nil, err
	case status != 0:
		return nil, fmt.Errorf("--setup: ended with exit status %d", status)
	}
	if *device = said.lastLine(); *device == "" {
		return nil, errors.New("--setup: it printed no device")
	}
	plan, tower, err := lower.PlanAbove(c.Context, *device)
	if err == nil {
		err = ctl.Run(c.Context, plan)
	}
	if err != nil {
		return nil, fmt.Errorf("--setup: %w", err)
	}
	return tower, nil
}

// maxSetupOutput limits what --setup may print, in bytes.
const maxSetupOutput = 1 << 20

// head keeps what is written to it, up to a limit.
type head struct {
	bytes.Buffer
	left int
}

func (h *head) Write(p []byte) (int, error) {
	if len(p) > h.left {
		return 0, fmt.Errorf("--setup: it printed more than %d bytes", maxSetupOutput)
	}
	h.left -= len(p)
	return h.Buffer.Write(p)
}

func (h *head) lastLine() string {
	lines := strings.Split(strings.TrimSpace(h.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// recordedProgram is a program that runs while devices are recorded.
type recordedProgram struct {
	args    []string
	devices map[string]string // their paths, by the name of the variable
	stdout  io.Writer         // nil means that of this program
}

// workloadGrace is how long an interrupted COMMAND may take to end.
const workloadGrace = 10 * time.Second

// runWorkload runs a program and returns its exit status. An interrupt ends that
// program only.
func runWorkload(c *cli.Context, o *console, w recordedProgram) (int, error) {
	cmd := exec.CommandContext(c.Context, w.args[0], w.args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = os.Environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, output.Raw(o.out), ownFile(o.err)
	switch {
	case w.stdout != nil:
		cmd.Stdout = w.stdout
	case o.json:
		cmd.Stdout = cmd.Stderr // stdout is for the one object
	}
	cmd.WaitDelay = workloadGrace
	endWithParent(cmd)
	runtime.LockOSThread() // the end of this thread counts as the end of the parent
	defer runtime.UnlockOSThread()
	for variable, path := range w.devices {
		cmd.Env = append(cmd.Env, variable+"="+path)
		held, err := os.Open(path) // so that recover does not take it for a killed run's
		if err != nil {
			return 0, err
		}
		defer held.Close() // only held
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case c.Context.Err() != nil:
		return 0, fmt.Errorf("%s: %w", w.args[0], context.Cause(c.Context))
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	default:
		return 0, err
	}
}
