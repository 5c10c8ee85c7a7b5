//go:build linux && kernel

package dmctl

// With a real udev: what it does with our devices, and what we do without it
// when it hangs or is dead. lab exec -udev gives its state; a machine with
// systemd shows it by its socket.

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

const (
	udevAlive = "alive"
	udevHung  = "hung"
	udevDead  = "dead"
)

// udevState is the state of udev here; empty if there is none.
func udevState() string {
	if state := os.Getenv("DMSNAPCTL_TEST_UDEV"); state != "" {
		return state
	}
	if _, err := os.Stat("/run/udev/control"); err == nil {
		return udevAlive
	}
	return ""
}

// wantUdev skips a test unless udev is in one of the states.
func wantUdev(t *testing.T, states ...string) {
	t.Helper()
	for _, state := range states {
		if udevState() == state {
			return
		}
	}
	t.Skipf("not applicable: udev is %q here, not %s", udevState(), strings.Join(states, " or "))
}

// pauses is how long waits take here: a tenth of the usual time where nobody
// else keeps devices busy, and the usual time with udev.
func pauses(d time.Duration) {
	if udevState() != udevAlive {
		d /= 10
	}
	time.Sleep(d)
}

// udevPatience makes a test wait less than users do for a udev that does
// nothing, and longer on a slow machine.
func udevPatience(c *Controller) {
	switch udevState() {
	case udevAlive:
		machineOf(c).WaitForUdev(2 * time.Minute)
	case udevHung, udevDead:
		machineOf(c).WaitForUdev(200 * time.Millisecond)
	}
}

// settle waits until udev has processed all events, if it is alive.
func settle(t testing.TB) {
	t.Helper()
	if udevState() != udevAlive {
		return
	}
	// Debian 12's udevadm sometimes fails when udev answers too early: a broken pipe.
	for try := 1; ; try++ {
		out, err := exec.Command("/usr/bin/udevadm", "settle", "--timeout=120").CombinedOutput()
		if err == nil {
			return
		}
		if try == 3 {
			t.Fatalf("udevadm settle: %v: %s", err, out)
		}
	}
}

// noCookies checks that no semaphore is left by which libdm waits for udev.
func noCookies(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/sem")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n != 1 { // the heading
		t.Errorf("semaphores are left:\n%s", text)
	}
}

// A udev that hangs or is dead blocks nobody: nodes are made by hand. If it
// comes back, it finds them and continues.
func TestUdevDoesNothing(t *testing.T) {
	wantUdev(t, udevHung, udevDead)
	c, disks := scratch(t)
	origin := mapped(t, c, "vol", "0 65536 linear "+disks[0]+" 0")
	create(t, c, CreateRequest{Name: "s", Origin: origin, COW: disks[1]})
	info, err := c.e.Info(mustName(t, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat("/dev/mapper/s"); err != nil || st.Mode().Type() != fs.ModeDevice || !c.e.HasNode(mustName(t, "s"), info.Dev) {
		t.Errorf("/dev/mapper/s is %v, %v, want a node of %v", st, err, info.Dev)
	}
	fill(t, "/dev/mapper/s", 0, mib, 1)
	same(t, "the snapshot", content(t, "/dev/mapper/s")[:mib], noise(mib, 1))
	if err := c.e.Rename(mustName(t, "s"), mustName(t, "u"), devices.UdevPrimary); err != nil {
		t.Fatal(err)
	}
	if err := c.Recover(context.Background()); err != nil { // the node of the new name
		t.Error(err)
	}
	if !c.e.HasNode(mustName(t, "u"), info.Dev) {
		t.Error("u has no node")
	}
	remove(t, c, "u")
	for _, name := range []string{"s", "u"} {
		if _, err := os.Lstat("/dev/mapper/" + name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the node %s stays: %v", name, err)
		}
	}
	noCookies(t)
}
