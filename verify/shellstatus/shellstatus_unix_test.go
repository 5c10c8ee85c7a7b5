//go:build unix

package shellstatus

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestStatusesAreThoseOfTheShell asks the shell of this system.
func TestStatusesAreThoseOfTheShell(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(data, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		command           string
		want              int
		notRun, signalled bool
	}{
		{"exit 0", 0, false, false},
		{"exit 125", 125, false, false},
		{"exit 128", 128, false, false},
		{data, NotExecutable, true, false},
		{filepath.Join(dir, "missing"), NotFound, true, false},
		{"sh -c 'kill -TERM $$'; exit $?", BySignal(int(syscall.SIGTERM)), false, true},
		{"sh -c 'kill -HUP $$'; exit $?", BySignal(int(syscall.SIGHUP)), false, true},
	} {
		got := 0
		err := exec.Command("/bin/sh", "-c", tt.command).Run()
		if exit, failed := errors.AsType[*exec.ExitError](err); failed {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != tt.want || NotRun(got) != tt.notRun || Signalled(got) != tt.signalled {
			t.Errorf("%s: status %d, not run %t, signalled %t; want %d, %t, %t", tt.command, got, NotRun(got), Signalled(got), tt.want, tt.notRun, tt.signalled)
		}
	}
}
