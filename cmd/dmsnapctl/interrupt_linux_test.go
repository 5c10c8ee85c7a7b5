package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startReading starts a command and waits until it reads its input: then it also
// handles signals. The input ends when stdin is closed.
func startReading(t *testing.T, cmd *exec.Cmd) (stdin *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() }) // some tests have closed it
	if _, err := to.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = from
	if err := errors.Join(cmd.Start(), from.Close()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		switch left, err := unix.IoctlGetInt(int(to.Fd()), unix.TIOCINQ); {
		case err != nil:
			t.Fatal(err)
		case left == 0:
			return to
		case time.Now().After(end):
			t.Fatal("it does not read its input")
		}
	}
}

// A terminal that closes interrupts a command, which ends in order, unless it
// was started with nohup.
func TestHangUp(t *testing.T) {
	// Otherwise a test run under nohup would have the programs ignore the signal.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	for shell, hears := range map[string]bool{`exec "$@"`: true, `trap '' HUP; exec "$@"`: false} {
		var stderr bytes.Buffer
		cmd := exec.Command("sh", "-c", shell, "sh", "dmsnapctl", "check", "--targets", "-")
		cmd.Stderr = &stderr
		stdin := startReading(t, cmd)
		if err := cmd.Process.Signal(unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if !hears { // it ends when its input does
			time.Sleep(200 * time.Millisecond)
			if err := stdin.Close(); err != nil {
				t.Error(err)
			}
		}
		if code := exitCode(t, cmd.Wait()); (code == exitInterrupted) != hears || code < 0 {
			t.Errorf("%s: exit code %d: %s", shell, code, &stderr)
		}
	}
}

// A pipe that nobody writes to does not keep a command from ending.
func TestSilentPipesCanBeInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := unix.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"table lint pipe":                    "open pipe: interrupted",
		"table concise --name n pipe":        "open pipe: interrupted",
		"crash combine pipe":                 "pipe: interrupted; no sum was made",
		"systemd-generator --tab pipe units": "systemd-generator: read pipe: interrupted; no unit was written",
	} {
		ctx, interrupt := context.WithCancel(context.Background())
		interrupt()
		_, stderr, code := commanded(ctx, strings.Fields(line)...)
		if code != exitInterrupted || stderr != "dmsnapctl: "+want+"\n" {
			t.Errorf("%s: exit code %d, %q, want %q", line, code, stderr, want)
		}
	}
}

// A dump is read twice.
func TestRestoreOfAPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := unix.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := commanded(context.Background(), "restore", "pipe", "store", "--yes")
	if code != exitUnknown || stderr != "dmsnapctl: restore: the dump: pipe is a pipe, but it is read twice; write it to a file first\n" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// A text that never ends does not keep one from ending either.
func TestSilentTextCanBeInterrupted(t *testing.T) {
	for _, line := range []string{"table lint -", "table concise --name n -"} {
		ctx, interrupt := context.WithCancel(context.Background())
		in, to := io.Pipe()
		go func() { // it is being read
			_, _ = io.WriteString(to, "\n")
			interrupt()
		}()
		var out, complaint bytes.Buffer
		code := run(ctx, append([]string{"dmsnapctl"}, strings.Fields(line)...), streams{in: in, out: &out, err: &complaint})
		if code != exitInterrupted || complaint.String() != "dmsnapctl: -: interrupted\n" {
			t.Errorf("%s: exit code %d, %q", line, code, &complaint)
		}
		_ = to.Close()
	}
}

// TestReportsAreBounded: nothing without an end is read to it.
func TestReportsAreBounded(t *testing.T) {
	text := `{"schema":"` + exploreSchema + `"}`
	if _, err := decodeReport(strings.NewReader(text), int64(len(text))); err != nil {
		t.Error(err)
	}
	blanks := strings.NewReader(strings.Repeat(" ", 100) + text)
	if _, err := decodeReport(blanks, 50); err == nil || !strings.Contains(err.Error(), "longer than 50 bytes") || blanks.Len() < len(text) {
		t.Errorf("a report of 100 bytes and more: %v", err)
	}
}
