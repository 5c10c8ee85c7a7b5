package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func init() {
	// exhaust is a command that takes memory until there is none.
	programs["exhaust"] = func() {
		if code, ended := lastResort(os.Stderr); ended {
			os.Exit(code)
		}
		for held := [][]byte{}; ; {
			held = append(held, make([]byte, 64<<20)) // mapped, and never touched: limits count it
		}
	}
}

// limited runs a program under a limit set by the shell.
func limited(limit string, program ...string) *exec.Cmd {
	return exec.Command("sh", append([]string{"-c", "ulimit " + limit + ` || exit 99; exec "$@"`, "sh"}, program...)...)
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var status *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return status.ExitCode()
	}
	t.Fatal(err)
	return 0
}

// Without a result there is no verdict: the runtime's own exit code, 2, would
// mean critical.
func TestWhatGoesWrongInTheRuntimeIsNoVerdict(t *testing.T) {
	for _, tt := range []struct {
		limit   string
		program []string
		code    int
		says    string
	}{
		{"-v 2000000", []string{"exhaust"}, exitUnknown, "there is no result"},
		{"-d 1000000", []string{"exhaust"}, exitUnknown, "there is no result"},
		{"-v 2000000", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitWarning, ""},
		{"-v 2000000", []string{"dmsnapctl", "check", "--targets"}, exitUsage, "dmsnapctl: check"},
		// A library opens a file before main, and panics where it cannot.
		{"-n 4", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitUnknown, "dmsnapctl: too many open files"},
		{"-n 6", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitUnknown, "dmsnapctl: too many open files"},
		{"-n 7", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitUnknown, "dmsnapctl: too many open files"},
		{"-n 8", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitUnknown, "dmsnapctl: too many open files"},
		{"-n 10", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitUnknown, "dmsnapctl: too many open files"},
		{"-n 32", []string{"dmsnapctl", "check", "--target-version", "1.11.1"}, exitWarning, ""},
	} {
		t.Run(tt.limit+" "+strings.Join(tt.program, " "), func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := limited(tt.limit, tt.program...)
			cmd.Stderr = &stderr
			if code := exitCode(t, cmd.Run()); code != tt.code {
				t.Errorf("exit code %d, want %d: %.300s", code, tt.code, &stderr)
			}
			if !strings.Contains(stderr.String(), tt.says) || tt.says == "" && stderr.Len() > 0 {
				t.Errorf("stderr %q, want it to say %q", &stderr, tt.says)
			}
		})
	}
}

// Without a supervisor, a fatal error ends in a signal and not in an exit
// code.
func TestFatalErrorsAreSignals(t *testing.T) {
	cmd := limited("-v 2000000", "exhaust")
	// It believes that it is supervised, so that its own end is seen.
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", superviseVariable, os.Getpid()))
	err := cmd.Run()
	var status *exec.ExitError
	if !errors.As(err, &status) || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGABRT {
		t.Errorf("%v, want SIGABRT", err)
	}
}

// Signals reach the process that does the work.
func TestSignalsReachTheWorker(t *testing.T) {
	cmd := limited("-v 2000000", "dmsnapctl", "check", "--targets", "-")
	startReading(t, cmd)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}
