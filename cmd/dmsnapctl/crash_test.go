// Scripts for the crash commands, on logs that real kernels wrote.

//go:build !kernel

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// Scripts find the logs, unpacked, in $LOGS.
func TestCrashScripts(t *testing.T) {
	logs := t.TempDir()
	packed, err := filepath.Glob(filepath.Join("..", "..", "testdata", "crash", "*.gz"))
	if err != nil || len(packed) < 3 {
		t.Fatalf("fixtures: %q, %v", packed, err)
	}
	for _, path := range packed {
		unpack(t, path, filepath.Join(logs, strings.TrimSuffix(filepath.Base(path), ".gz")))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script", "crash"),
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code},
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LOGS", logs)
			return nil
		},
	})
}

func unpack(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, cowtest.Unpack(t, from), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestSimulationIsInterrupted: it says what was done.
func TestSimulationIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	picture := filepath.Join(t.TempDir(), "rates.svg")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--exceptions", "1000000"}, "interrupted after 0 of 1 crashes"},
		{[]string{"--rates", picture}, "interrupted after 0 points; " + picture + " was not written"},
	} {
		var out, complaints bytes.Buffer
		args := append([]string{"dmsnapctl", "crash", "simulate"}, c.args...)
		if code := run(ctx, args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitInterrupted || out.Len() > 0 {
			t.Errorf("%q: exit code %d\n%s", c.args, code, out.String())
		}
		if !strings.Contains(complaints.String(), c.want) {
			t.Errorf("%q: stderr %q", c.args, complaints.String())
		}
	}
}

// TestExploreIsInterrupted: it says what is known and how far that goes, in
// one object where JSON was asked for.
func TestExploreIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"stock.log", "base.img"} {
		unpack(t, filepath.Join("..", "..", "testdata", "crash", name+".gz"), filepath.Join(dir, name))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, complaints bytes.Buffer
	args := []string{"dmsnapctl", "crash", "explore", "--log", filepath.Join(dir, "stock.log"), "--base", filepath.Join(dir, "base.img"), "--origin", "0+16384", "--cow", "16384+32768", "--json"}
	if code := run(ctx, args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	var report crash.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.ExploredEntries >= report.Entries {
		t.Errorf("explored %d of %d entries, %v\n%s", report.ExploredEntries, report.Entries, err, out.String())
	}
	if headline := report.Headline(); !strings.HasPrefix(headline, "unfinished: ") {
		t.Errorf("half an exploration says %q", headline)
	}
	if !strings.Contains(complaints.String(), "interrupted; what is shown is true of crashes before entry") {
		t.Errorf("stderr: %q", complaints.String())
	}
}
