// CLI scripts: the program as a user types it, from testdata/script.

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
)

// programs are what tests run as separate processes.
var programs = map[string]func(){"dmsnapctl": main, "dmsnapctl-in-memory": inMemory}

func TestMain(m *testing.M) {
	if guarded := dmctl.BeGuardian(); guarded != nil {
		os.Exit(stoodGuard(guarded, os.Stderr))
	}
	testscript.Main(m, programs)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code},
		Condition:           condition,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// condition tells scripts how much they do. A script starts with the usual uses of
// its commands and their most important refusals. What follows "[!thorough] stop"
// are variations, which run only if tests do everything that they can.
func condition(name string) (bool, error) {
	if name != "thorough" {
		return false, fmt.Errorf("no condition %q", name)
	}
	return thorough.All(), nil
}

// code runs a command and asserts its exact exit code: code N COMMAND ARGS….
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARGUMENTS]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
