package main

// Commands of the controller on an in-memory machine.

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// onMachine makes commands control m until the test ends.
func onMachine(t *testing.T, m *dmtest.Machine) {
	t.Helper()
	real := openController
	openController = func() (*dmctl.Controller, error) { return dmctl.NewOn(m), nil }
	t.Cleanup(func() { openController = real })
}

// commanded runs a command line and returns what it printed, and its exit code.
func commanded(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	code = run(ctx, append([]string{"dmsnapctl"}, args...), streams{in: &bytes.Buffer{}, out: &out, err: &err})
	return out.String(), err.String(), code
}

// inMemory is the program on an in-memory machine with a snapshot s, whose status
// line is in the environment. Monitoring systems run it in the tests of packages,
// where the kernel need not have device mapper.
func inMemory() {
	m := dmtest.New()
	err := dmctl.NewOn(m).Create(context.Background(), dmctl.CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	m.Find("s").Status = os.Getenv("DMSNAPCTL_TEST_STATUS")
	openController = func() (*dmctl.Controller, error) { return dmctl.NewOn(m), nil }
	os.Exit(run(context.Background(), append([]string{"dmsnapctl"}, os.Args[1:]...), streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// TestInMemory: the program that monitoring systems run in other tests.
func TestInMemory(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dmsnapctl-in-memory")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	for status, want := range map[string]string{
		"16/2048 8":   "0 DMSNAPCTL OK - 1 snapshot | 's'=0.8%;80;95;0;100\n",
		"1700/2048 8": "1 DMSNAPCTL WARNING - 1 snapshot; s is active, 83.0% full | 's'=83.0%;80;95;0;100\n",
	} {
		cmd := exec.Command(path, "status", "--format", "nagios", "-w", "80", "-c", "95")
		cmd.Env = append(os.Environ(), "DMSNAPCTL_TEST_STATUS="+status)
		out, _ := cmd.CombinedOutput()
		if got := fmt.Sprintf("%d %s", cmd.ProcessState.ExitCode(), out); got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
	}
}

// programPath is a path that runs this test as the program, in a process of its
// own.
func programPath(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dmsnapctl")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// must is commanded for commands that must succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := commanded(context.Background(), args...)
	if code != exitFine {
		t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return stdout
}
