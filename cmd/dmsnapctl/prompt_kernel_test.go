//go:build linux && kernel

// The prompt on a terminal, with an answer that comes late.

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal gives the two ends of a pseudo terminal.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// transcript is a buffer that can be read while it is written.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// While one run waits for an answer, others work. What they changed is asked
// about again.
func TestPromptHoldsNobodyUp(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	for i, name := range []string{"one", "two"} {
		dmsnapctl(t, exitFine, "create", name, "--origin", disks[1], "--cow", disks[2+i], "--force", "--yes")
	}
	user, program := terminal(t)
	var out, errs transcript
	code := make(chan int, 1)
	go func() {
		code <- run(context.Background(), []string{"dmsnapctl", "remove", "one"}, streams{in: program, out: &out, err: &errs})
	}()
	asked := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); strings.Count(errs.String(), "Do it? [y/N]") < n; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("asked fewer than %d times: %s", n, errs.String())
			}
		}
	}
	answer := func(s string) {
		t.Helper()
		if _, err := user.WriteString(s + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	asked(1)
	dmsnapctl(t, exitFine, "suspend", "two", "--yes")
	dmsnapctl(t, exitFine, "remove", "two", "--yes") // now one is the last one, and its removal another plan
	answer("y")
	asked(2)
	if list, _ := dmsnapctl(t, exitFine, "list", "--json"); !strings.Contains(list, `"name":"one"`) || !strings.Contains(errs.String(), "this is the new plan") {
		t.Errorf("a plan was run that was not shown: %s: %s", list, errs.String())
	}
	answer("y")
	if got := <-code; got != exitFine {
		t.Errorf("exit code %d: %s", got, errs.String())
	}
	if list, _ := dmsnapctl(t, exitFine, "list", "--json"); !strings.Contains(list, `"snapshots":[]`) {
		t.Errorf("left behind: %s", list)
	}
	if n := strings.Count(errs.String(), "Do it?"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// Requests with nothing to do, and names as machines have them.
func TestNothingToDo(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	if out, _ := dmsnapctl(t, exitFine, "recover", "--yes"); !strings.HasSuffix(out, ": there was nothing to do\n") {
		t.Errorf("recover: %s", out)
	}
	dmsnapctl(t, exitFine, "create", "a b", "--origin", disks[1], "--cow", disks[2], "--force", "--yes")
	const mapped = `"name":"a\\x20b"`
	for _, tt := range []struct{ command, want string }{
		{"suspend", ": done\n"}, {"suspend", ": there was nothing to do\n"}, {"resume", ": done\n"}, {"resume", ": there was nothing to do\n"},
	} {
		if out, _ := dmsnapctl(t, exitFine, tt.command, "a b", "--yes"); !strings.HasSuffix(out, tt.want) {
			t.Errorf("%s: %s, want %s", tt.command, out, tt.want)
		}
	}
	for _, args := range [][]string{{"status"}, {"resume", "a b", "--yes"}, {"merge", "a b", "--dry-run"}, {"remove", "a b", "--yes"}} {
		if out, _ := dmsnapctl(t, exitFine, append(args, "--json")...); !strings.Contains(out, mapped) {
			t.Errorf("%s: %s, want %s", args, out, mapped)
		}
	}
}
