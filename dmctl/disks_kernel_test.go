//go:build linux && kernel

package dmctl

// Scratch devices and data for the tests that run on a real kernel.

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

const mib = 1 << 20

// scratch opens a controller and returns the scratch disks. Their first MiB is
// zeroed, so that they are blank for the test.
func scratch(t testing.TB) (*Controller, []string) {
	t.Helper()
	list := os.Getenv("DMSNAPCTL_TEST_DISKS")
	disks := strings.Split(list, ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names %d disks, want 4 or more", list, len(disks))
	}
	c := openTest(t)
	// At the end all devices are removed, so there must be none of other
	// programs.
	if v, err := devices.Look(c.e); err != nil || len(v) > 0 {
		t.Fatalf("this machine has %d mapped devices of its own, %v: run the tests on one that has none", len(v), err)
	}
	for _, d := range disks {
		zero(t, c, d, mib)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logAll(t, c)
		}
		removeAll(t, c)
		c.Close()
	})
	return c, disks
}

// testMachine is this machine, with some changes.
type testMachine struct {
	*plan.Linux
	sleep   func(time.Duration)
	noGuard error // if not nil, why the guardian cannot be started
}

func (m *testMachine) Sleep(d time.Duration) { m.sleep(d) }

func (m *testMachine) Guard(inUse []blockdev.DevNo) (func() error, error) {
	if m.noGuard != nil {
		return nil, m.noGuard
	}
	return m.Linux.Guard(inUse)
}

func machineOf(c *Controller) *testMachine { return c.e.Machine.(*testMachine) }

func openMachine() (*Controller, error) {
	m, err := plan.Open()
	if err != nil {
		return nil, err
	}
	c := NewOn(&testMachine{Linux: m, sleep: pauses})
	udevPatience(c)
	return c, nil
}

func openTest(t testing.TB) *Controller {
	t.Helper()
	c, err := openMachine()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// zero zeroes the start of a device, or all of a smaller one.
func zero(t testing.TB, c *Controller, path string, bytes int64) {
	t.Helper()
	d, err := c.e.Machine.Open(path)
	if err == nil {
		err = errors.Join(d.Zero(min(bytes, d.Bytes())), d.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func logAll(t testing.TB, c *Controller) {
	v, err := devices.Look(c.e)
	t.Logf("devices (%v):", err)
	for _, d := range v {
		t.Logf("  %v %v %v flags %#x open %d: %v waiting: %v", d.Name, d.Dev, d.UUID, d.Flags, d.OpenCount, d.Live, d.Waiting)
	}
}

// removeAll removes everything that a test left, users before what they use. A
// device that udev scans at the moment is busy.
func removeAll(t testing.TB, c *Controller) {
	c.Release()
	for range 10 {
		v, err := devices.Look(c.e)
		if err != nil {
			t.Error(err)
			return
		}
		if len(v) == 0 {
			return
		}
		for _, d := range v {
			if d.Suspended() {
				_ = c.e.Clear(d.Name)
				_ = c.e.Resume(d.Name, 0)
			}
		}
		for i := len(v) - 1; i >= 0; i-- {
			if c.e.Remove(v[i].Name) == nil {
				_ = c.e.RemoveNode(v[i].Name)
			}
		}
		settle(t)
	}
	t.Error("devices stay behind")
	logAll(t, c)
}

func mustName(t testing.TB, s string) devices.Name {
	t.Helper()
	n, err := devices.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mapped makes a dm device with a table and returns its node.
func mapped(t testing.TB, c *Controller, name, lines string) string {
	t.Helper()
	tab, err := table.Parse(lines)
	if err != nil {
		t.Fatal(err)
	}
	n := mustName(t, name)
	if err := c.e.Create(n, devices.UUID{}); err != nil {
		t.Fatal(err)
	}
	if err := c.e.Load(n, tab); err != nil {
		t.Fatalf("%s: %v", lines, err)
	}
	if err := c.e.Resume(n, devices.UdevPrimary); err != nil {
		t.Fatal(err)
	}
	info, err := c.e.Info(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.e.AddNode(n, info.Dev); err != nil {
		t.Fatal(err)
	}
	return "/dev/mapper/" + name
}

// pieces cuts a disk into linear devices with this many MiB each.
func pieces(t testing.TB, c *Controller, disk, prefix string, sizes ...int) []string {
	t.Helper()
	var out []string
	at := 0
	for i, size := range sizes {
		line := fmt.Sprintf("0 %d linear %s %d", size*mib/512, disk, at*mib/512)
		out = append(out, mapped(t, c, fmt.Sprintf("%s%d", prefix, i), line))
		at += size
	}
	return out
}

// blank zeroes the first MiB of devices, or all of smaller ones.
func blank(t testing.TB, c *Controller, paths ...string) {
	t.Helper()
	for _, path := range paths {
		zero(t, c, path, mib)
	}
}

// fill writes reproducible noise over a range of a device, and flushes.
func fill(t testing.TB, path string, off, n int64, seed uint64) {
	t.Helper()
	f, err := blockdev.OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(noise(n, seed), off); err != nil {
		t.Fatal(err)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

func noise(n int64, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// content reads the first 16 MiB of a device past the page cache, or all of a
// smaller one.
func content(t testing.TB, path string) []byte {
	t.Helper()
	f, err := blockdev.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b := blockdev.AlignedBuffer(int(min(d.Size(), 16*mib)))
	if _, err := d.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b))[:16] }

func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	n := min(len(got), len(want))
	first := 0
	for first < n && got[first] == want[first] {
		first++
	}
	t.Errorf("%s: %d bytes %s, want %d bytes %s; they differ from byte %d on", what, len(got), sum(got), len(want), sum(want), first)
}

// makeNode makes a block device's node by hand.
func makeNode(path string, dev blockdev.DevNo) error {
	return unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(dev.Major, dev.Minor)))
}
