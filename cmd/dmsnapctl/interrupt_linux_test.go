package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
		stdin, err := cmd.StdinPipe() // sends nothing
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
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
