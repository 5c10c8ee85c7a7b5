//go:build linux && kernel

package wire

// The verbs on a real kernel.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// newDevice creates a device by hand, because this package does not create
// devices.
func newDevice(t *testing.T, c *Control, name string) Name {
	t.Helper()
	n, err := devices.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.call(unix.DM_DEV_CREATE, request{name: n, uuid: devices.KernelUUID("TEST-" + name)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, d := range []string{name, name + "2"} {
			n, _ := devices.ParseName(d)
			_, _, _ = c.call(unix.DM_DEV_REMOVE, request{name: n})
		}
	})
	return n
}

func open(t *testing.T) *Control {
	t.Helper()
	c, err := OpenControl()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestVerbs(t *testing.T) {
	if strings.Contains(os.Getenv("DMSNAPCTL_TEST_MISSING"), "dm-dust") {
		t.Skip("not applicable: the kernel has no dm-dust")
	}
	c := open(t)
	disk := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")[0]
	n := newDevice(t, c, "verbs")
	dust := []Target{{0, 1024, "dust", disk + " 0 512"}, {1024, 8, "zero", ""}}
	must(t, "load", c.Load(n, dust, false))
	info, err := c.Info(n)
	must(t, "info", err)
	if info.HasActive() || !info.HasInactive() || info.UUID.String() != "TEST-verbs" {
		t.Errorf("loaded: %+v", info)
	}
	_, err = c.Resume(n, 0, devices.UdevPrimary)
	must(t, "resume", err)
	_, got, err := c.Table(n, false, all)
	must(t, "table", err)
	if len(got) != 2 || got[0].Type != "dust" || got[1] != dust[1] {
		t.Errorf("table: %v", got)
	}
	deps, err := c.Deps(n)
	must(t, "deps", err)
	if len(deps) != 1 || !strings.HasPrefix(got[0].Params, deps[0].String()+" ") {
		t.Errorf("deps %v of %v", deps, got)
	}
	must(t, "message", c.Message(n, 0, "addbadblock 7"))
	if err := c.Message(n, 1024, "nonsense"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a message to the target zero: %v", err)
	}

	must(t, "load", c.Load(n, []Target{{0, 8, "error", ""}}, true))
	_, waiting, err := c.Table(n, true, all)
	must(t, "inactive table", err)
	if len(waiting) != 1 || waiting[0].Type != "error" {
		t.Errorf("inactive table: %v", waiting)
	}
	must(t, "clear", c.Clear(n))
	must(t, "suspend", c.Suspend(n, devices.FlagSkipLockFS))
	if info, err = c.Info(n); err != nil || !info.Suspended() || info.HasInactive() {
		t.Errorf("suspended: %+v, %v", info, err)
	}
	_, err = c.Resume(n, 0, 0)
	must(t, "resume", err)

	to, _ := devices.ParseName("verbs2")
	must(t, "rename", c.Rename(n, to, devices.UdevPrimary))
	if _, err := c.Info(n); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("the old name: %v", err)
	}
	again, err := c.InfoByUUID(devices.KernelUUID("TEST-verbs"))
	if err != nil || again.Name != to {
		t.Errorf("by UUID: %+v, %v", again, err)
	}
	_, status, err := c.Status(to, false)
	if err != nil || !strings.Contains(status[0].Params, "fail_read_on_bad_block") && !strings.Contains(status[0].Params, "bypass") {
		t.Errorf("status: %v, %v", status, err)
	}
	must(t, "remove deferred", c.RemoveDeferred(to))
	if _, err := c.Info(to); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("after removal: %v", err)
	}
}

// A list and a table that are too large for the first buffer.
func TestLongAnswers(t *testing.T) {
	c := open(t)
	const n = 150
	for i := range n {
		newDevice(t, c, fmt.Sprintf("%s%03d", strings.Repeat("n", 110), i))
	}
	devices, err := c.List()
	if err != nil || len(devices) != n {
		t.Fatalf("%d devices, %v", len(devices), err)
	}
	for _, d := range devices {
		if !d.HasEventNr || len(d.Name.String()) != 113 {
			t.Errorf("%+v", d)
		}
	}
	var long []Target
	for i := range uint64(500) {
		long = append(long, Target{i * 8, 8, []string{"zero", "error"}[i%2], ""})
	}
	must(t, "load", c.Load(devices[0].Name, long, false))
	_, got, err := c.Table(devices[0].Name, true, all)
	if err != nil || len(got) != len(long) {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

func TestVersionsAndLock(t *testing.T) {
	c := open(t)
	targets, err := c.Targets()
	must(t, "targets", err)
	listed := map[string]gate.Version{}
	for _, v := range targets {
		listed[v.Name] = v.Version
	}
	one, err := c.TargetVersion("snapshot")
	if err != nil || one != listed["snapshot"] || one == (gate.Version{}) {
		t.Errorf("asked: %v, %v; listed: %v", one, err, listed["snapshot"])
	}
	if _, err := c.TargetVersion("nonesuch"); err == nil {
		t.Error("a target that does not exist has a version")
	}
	other := open(t)
	ended, end := context.WithCancel(context.Background())
	end()
	if got, err := c.AwaitLock(ended); !got || err != nil {
		t.Errorf("first lock: %v, %v", got, err)
	}
	if got, err := other.AwaitLock(ended); got || err != nil {
		t.Errorf("second lock: %v, %v", got, err)
	}
	c.Unlock()
	if got, err := other.AwaitLock(context.Background()); !got || err != nil {
		t.Errorf("second lock after unlock: %v, %v", got, err)
	}
	was := c.Advanced()
	other.Advance()
	if c.Advanced().Equal(was) {
		t.Error("that another one gets on cannot be seen")
	}
	if err := c.Arm(); err != nil {
		t.Errorf("arm: %v", err)
	}
	if told, err := c.Poll(1); told || err != nil {
		t.Errorf("an event out of nothing: %v, %v", told, err)
	}
	newDevice(t, c, "event")
	if told, err := c.Poll(1000); !told || err != nil {
		t.Errorf("no event for a new device: %v, %v", told, err)
	}
}

func all(string) bool { return true }
