package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
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
