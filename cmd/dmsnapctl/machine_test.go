package main

// Commands of the controller on an in-memory machine.

import (
	"bytes"
	"context"
	"os"
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
