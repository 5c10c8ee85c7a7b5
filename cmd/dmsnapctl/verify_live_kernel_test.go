//go:build linux && kernel

package main

// Live stores at awkward moments: copies in flight, merges that others started.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

func testDisks(t *testing.T) []string {
	t.Helper()
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	return disks
}

// mappedBy makes a device with dmsetup, which lasts until the test ends.
func mappedBy(t *testing.T, name, table string) (node string) {
	t.Helper()
	dmsetup(t, "create", name, "--table", table)
	t.Cleanup(func() { dmsetup(t, "remove", "--retry", name) })
	dmsetup(t, "mknodes", name)
	return "/dev/mapper/" + name
}

func dmsetup(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("dmsetup", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("dmsetup %v: %v: %s", args, err, out)
	}
	return string(out)
}

// writeZeros writes past the page cache.
func writeZeros(path string, bytes int, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(blockdev.AlignedBuffer(bytes), at)
	return err
}

// TestVerifyOfCopiesInFlight delays six copies while 256 later ones fill an
// area. A leaky kernel commits that area. The six are not leaks: their writers
// wait, and they are committed in the end. A fixed kernel commits nothing.
func TestVerifyOfCopiesInFlight(t *testing.T) {
	const held, area, delay = 6, 256, 25 * time.Second
	disks := testDisks(t)
	store := mappedBy(t, "delayed-cow", fmt.Sprintf(
		"0 16 linear %[1]s 0\n16 %[2]d delay %[1]s 16 0 %[1]s 16 %[3]d\n%[4]d 8192 linear %[1]s %[4]d",
		disks[1], held*8, delay.Milliseconds(), 16+held*8))
	c, err := dmctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if err := c.Create(ctx, dmctl.CreateRequest{Name: "held", Origin: disks[0], COW: store, ChunkBytes: 4096, Force: true}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Remove(ctx, dmctl.RemoveRequest{Name: "held"}); err != nil {
			t.Error(err)
		}
	}()

	var writers sync.WaitGroup
	var waiting sync.Map
	write := func(bytes int, at int64) {
		waiting.Store(at, true)
		writers.Go(func() {
			if err := writeZeros("/dev/mapper/held-origin", bytes, at); err != nil {
				t.Error(err)
			}
			waiting.Delete(at)
		})
	}
	for i := range int64(held) {
		write(4096, i*4096)
	}
	for s := snapshotOf(t, c, "held"); s.Allocated < (2+held)*8; s = snapshotOf(t, c, "held") {
		time.Sleep(time.Millisecond)
	}
	write(area*4096, 1<<20)
	for s := snapshotOf(t, c, "held"); s.Allocated < (2+held+area)*8; s = snapshotOf(t, c, "held") {
		time.Sleep(time.Millisecond)
	}

	version, err := c.TargetVersion(gate.SnapshotTarget, false)
	if err != nil {
		t.Fatal(err)
	}
	kernel, _ := gate.Judge(version)
	verdict, code, inFlight := verify.Clean, exitFine, uint64(0)
	if kernel == gate.Leaky {
		verdict, code, inFlight = verify.Unsettled, exitUnknown, held
		for s := snapshotOf(t, c, "held"); s.Metadata < 3*8; s = snapshotOf(t, c, "held") {
			time.Sleep(10 * time.Millisecond) // until the area is full, and committed
		}
	}
	var r verify.Report
	got, _ := runJSON(t, &r, "verify", "--json", store)
	for i := range int64(held) {
		if _, alive := waiting.Load(i * 4096); !alive {
			t.Fatalf("writer %d did not wait for its copy: the test proves nothing", i)
		}
	}
	if got != code || r.Verdict != verdict || r.Leaks.Chunks != 0 || r.Live == nil || r.Live.InFlightChunks != inFlight || r.Live.Settled {
		t.Errorf("on a %v kernel: exit code %d, verdict %s, leaks %+v, live %+v", kernel, got, r.Verdict, r.Leaks, r.Live)
	}

	writers.Wait()
	r = verify.Report{}
	got, _ = runJSON(t, &r, "verify", "--json", store)
	if got != exitFine || r.Verdict != verify.Clean || r.Usage.Exceptions != held+area || !r.Live.Settled || r.Live.InFlightChunks != 0 {
		t.Errorf("at rest: exit code %d, verdict %s, usage %+v, live %+v", got, r.Verdict, r.Usage, r.Live)
	}
}

func snapshotOf(t *testing.T, c *dmctl.Controller, name string) dmctl.Snapshot {
	t.Helper()
	s, err := c.SnapshotNamed(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestVerifyOfAMergeByDmsetup: a merge leaves holes in a store that was
// written out of order. They are not leaks, and status shows the merge.
func TestVerifyOfAMergeByDmsetup(t *testing.T) {
	disks := testDisks(t)
	const sectors = 8192
	store := mappedBy(t, "merge-cow", fmt.Sprintf("0 %d linear %s 0", sectors, disks[1]))
	image := cowtest.Store{Chunk: 8, DeviceChunks: sectors / 8}
	for i := range cow.Chunk(8) { // the last one is the lowest
		image.Exceptions = append(image.Exceptions, cow.Exception{Old: 20 + 2*i, New: 9 - i})
	}
	f, err := os.OpenFile(store, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	origin := mappedBy(t, "slow-origin", fmt.Sprintf("0 %d delay %s 0 0 %[2]s 0 2500", sectors, disks[0]))
	mappedBy(t, "merged", fmt.Sprintf("0 %d snapshot-merge %s %s P 8", sectors, origin, store))

	line := func() string { return strings.TrimSpace(dmsetup(t, "status", "merged")) }
	for start := line(); line() == start; {
		time.Sleep(10 * time.Millisecond)
	}
	var r verify.Report
	code, stderr := runJSON(t, &r, "verify", "--json", store)
	if code != exitUnknown || r.Verdict != verify.Unsettled || r.Leaks.Chunks != 0 || r.Live == nil || r.Live.InFlightChunks == 0 || r.Live.Settled || !r.Live.Merging || r.Live.Status == "" {
		t.Errorf("exit code %d, verdict %s, leaks %+v, live %+v", code, r.Verdict, r.Leaks, r.Live)
	}
	if !strings.Contains(stderr, "in use by the merge into merged") {
		t.Errorf("stderr %q", stderr)
	}
	var s struct {
		Snapshots []struct{ Name, State, COW string }
	}
	if code, _ := runJSON(t, &s, "status", "--json"); code != exitFine || len(s.Snapshots) != 1 || s.Snapshots[0].Name != "merged" || s.Snapshots[0].State != dmctl.StateMerging {
		t.Errorf("status: exit code %d, %+v", code, s)
	}

	for end := line(); !strings.HasSuffix(end, " 16/8192 16"); end = line() {
		time.Sleep(100 * time.Millisecond)
	}
	r = verify.Report{}
	code, _ = runJSON(t, &r, "verify", "--json", store)
	if code != exitFine || r.Verdict != verify.Clean || r.Usage.Exceptions != 0 || !r.Live.Settled {
		t.Errorf("merged: exit code %d, verdict %s, usage %+v, live %+v", code, r.Verdict, r.Usage, r.Live)
	}
}

// TestVerifyOfASnapshotItself: no matter what a snapshot shows, it is not a
// store.
func TestVerifyOfASnapshotItself(t *testing.T) {
	disks := testDisks(t)
	if err := writeZeros(disks[0], 1<<20, 0); err != nil {
		t.Fatal(err)
	}
	c, err := dmctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if err := c.Create(ctx, dmctl.CreateRequest{Name: "shown", Origin: disks[0], COW: disks[1], Force: true}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Remove(ctx, dmctl.RemoveRequest{Name: "shown"}); err != nil {
			t.Error(err)
		}
	}()
	if err := writeZeros("/dev/mapper/shown", 1<<20, 0); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"verify", "map"} {
		_, stderr, code := commanded(ctx, command, "/dev/mapper/shown")
		if want := "is snapshot shown itself; its store is " + disks[1]; code != exitUnknown || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q", command, code, stderr)
		}
		// The origin is blank, but still not a device for a new store.
		_, stderr, code = commanded(ctx, command, disks[0])
		if want := "is the origin of a snapshot; the snapshot's store is " + disks[1]; code != exitUnknown || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q", command, code, stderr)
		}
	}
}
