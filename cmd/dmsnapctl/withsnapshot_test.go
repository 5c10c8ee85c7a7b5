package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify/shellstatus"
)

// withMachine is a machine whose disk /dev/a contains ext4.
func withMachine(t *testing.T) *dmtest.Machine {
	t.Helper()
	m := dmtest.New()
	m.Disks["/dev/a"].Carries = []string{"ext", "ext4"}
	onMachine(t, m)
	return m
}

// unchanged checks that nothing is left of the snapshot.
func unchanged(t *testing.T, m *dmtest.Machine) {
	t.Helper()
	if len(m.Devices) > 0 || len(m.NodeDevs) > 0 || len(m.Intents) > 0 {
		t.Errorf("left behind: %s%v", m, m.Intents)
	}
}

// TestWithSnapshotRunsACommand: what COMMAND gets, and that its exit code is
// passed on.
func TestWithSnapshotRunsACommand(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		script string
		code   int
	}{
		{`test "$DMSNAPCTL_MOUNT" = "$1" && echo "$DMSNAPCTL_SNAPSHOT"`, exitFine},
		{`echo "$DMSNAPCTL_SNAPSHOT"; exit 7`, 7},
		{`echo "$DMSNAPCTL_SNAPSHOT"; kill -TERM $$`, 128 + int(syscall.SIGTERM)},
	} {
		m := withMachine(t)
		stdout, stderr, code := commanded(context.Background(), "with-snapshot", "--origin", "/dev/a", "--cow", "/dev/b", "--mount", dir, "--", "sh", "-c", tt.script, "sh", dir)
		if code != tt.code || !strings.HasPrefix(stdout, "/dev/mapper/dmsnap-with-") {
			t.Errorf("%s: exit code %d, %s%s", tt.script, code, stdout, stderr)
		}
		unchanged(t, m)
	}
	for args, want := range map[string]int{"/nonexistent": shellstatus.NotFound, os.DevNull: shellstatus.NotExecutable} {
		m := withMachine(t)
		_, stderr, code := commanded(context.Background(), "with-snapshot", "--origin", "/dev/a", "--cow", "/dev/b", "--", args)
		if code != want || stderr == "" {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
		unchanged(t, m)
	}
}

func TestWithSnapshotJSON(t *testing.T) {
	m := withMachine(t)
	stdout, _, code := commanded(context.Background(), "with-snapshot", "--json", "--origin", "/dev/a", "--cow", "/dev/b", "--", "sh", "-c", "echo noise; exit 5")
	var got withSnapshotJSON
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 5 || got.CommandExit != 5 || got.Origin != "/dev/a" || got.Lost {
		t.Errorf("exit code %d, %v: %s", code, err, stdout)
	}
	unchanged(t, m)
}

// TestWithSnapshotLost: a snapshot that became invalid gives exit code 3, no
// matter what COMMAND returns, and is removed.
func TestWithSnapshotLost(t *testing.T) {
	for _, exit := range []string{"0", "5"} {
		m := withMachine(t)
		m.StatusOfNew = "Invalid"
		stdout, stderr, code := commanded(context.Background(), "with-snapshot", "--json", "--origin", "/dev/a", "--cow", "/dev/b", "--", "sh", "-c", "exit "+exit)
		if code != exitUnknown || !strings.Contains(stdout, `"lost":true`) || !strings.Contains(stderr, "became invalid") || !strings.Contains(stderr, "more room") {
			t.Errorf("COMMAND says %s: exit code %d, %s%s", exit, code, stdout, stderr)
		}
		unchanged(t, m)
	}
}

// TestWithSnapshotInterrupted: before COMMAND nothing is left. During COMMAND
// it gets the signal, is waited for, and decides the exit code.
func TestWithSnapshotInterrupted(t *testing.T) {
	args := []string{"with-snapshot", "--origin", "/dev/a", "--cow", "/dev/b", "--", "sh", "-c"}
	m := withMachine(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, stderr, code := commanded(ctx, append(args, "echo ran >&2")...); code != exitInterrupted || strings.Contains(stderr, "ran\n") {
		t.Errorf("before: exit code %d, %s", code, stderr)
	}
	unchanged(t, m)

	m = withMachine(t)
	began := filepath.Join(t.TempDir(), "began")
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		for range 1000 {
			if _, err := os.Stat(began); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	script := `trap 'echo ended; exit 9' INT; touch "$1"; while :; do sleep 0.05; done`
	stdout, stderr, code := commanded(ctx, append(args, script, "sh", began)...)
	if code != 9 || stdout != "ended\n" {
		t.Errorf("during: exit code %d, %s%s", code, stdout, stderr)
	}
	unchanged(t, m)
}

func TestWithSnapshotUsage(t *testing.T) {
	for _, line := range []string{
		"with-snapshot -- true",
		"with-snapshot --origin /dev/a",
		"with-snapshot --origin /dev/a --cow /dev/b --store-dir /var/tmp -- true",
		"with-snapshot --origin /dev/a --cow= -- true",
		"with-snapshot --origin /dev/a --cow /dev/b --size 10% -- true",
		"with-snapshot --origin vg/vol --size 0% -- true",
		"with-snapshot --origin vg/vol --size 101% -- true",
		"with-snapshot --origin vg/vol --size 0 -- true",
		"with-snapshot --origin vg/vol --size ten -- true",
	} {
		m := withMachine(t)
		if _, stderr, code := commanded(context.Background(), strings.Fields(line)...); code != exitUsage || m.Calls > 0 {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
	}
}
