//go:build linux && kernel

package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// A snapshot's life as the monitor reports it.
func TestMonitor(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatal("DMSNAPCTL_TEST_DISKS names no two disks")
	}
	sh(t, "dmsetup create cow0 --table '0 2048 linear "+disks[1]+" 0' && dmsetup mknodes")
	const cow = "/dev/mapper/cow0"
	c, second := open(t), open(t)
	t.Cleanup(func() {
		_ = c.Remove(context.Background(), dmctl.RemoveRequest{Name: "s"})
		sh(t, "dmsetup remove --retry cow0")
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, second, Options{Threshold: 50}, func(e Event) error {
			events <- fmt.Sprintf("%s %s %s", e.Kind, e.Snapshot.Name, e.Snapshot.State)
			return nil
		})
	}()
	// next waits for an event. It skips the events of the steps of a create.
	next := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-events:
				if got == want {
					return
				}
				t.Logf("passed over: %s", got)
			case <-ctx.Done():
				t.Fatalf("no event %q", want)
			}
		}
	}
	for range 2 { // it survives removal and another creation
		request := dmctl.CreateRequest{Name: "s", Origin: disks[0], COW: cow, ChunkBytes: 8 << 9, Overflow: true, Force: true}
		if err := c.Create(ctx, request); err != nil {
			t.Fatal(err)
		}
		next("appeared s active")
		write(t, "/dev/mapper/s-origin", 0, mib*3/4)
		next("threshold s active")
		f, err := os.OpenFile("/dev/mapper/s", os.O_WRONLY|os.O_SYNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{4}, mib), 4*mib); err == nil {
			t.Error("a write through a full snapshot succeeded")
		}
		f.Close()
		next("state s overflow")
		write(t, "/dev/mapper/s-origin", 6*mib, mib)
		next("state s invalid")
		if err := c.Remove(ctx, dmctl.RemoveRequest{Name: "s"}); err != nil {
			t.Fatal(err)
		}
		next("gone s invalid")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A clone with a small store is written to over the whole length of its image,
// and never fails: the store grows before the writes need it.
func TestMonitorGrowsAheadOfWrites(t *testing.T) {
	sh(t, "test -e /dev/loop-control || modprobe loop")
	dir := t.TempDir()
	image := filepath.Join(dir, "base.img")
	if err := os.WriteFile(image, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 4*mib); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := open(t)
	request := dmctl.CloneRequest{Names: []string{"s"}, Base: image, StoreDir: dir, StoreSize: mib / 2}
	if err := c.Clone(ctx, request); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.RemoveClones(context.Background(), dmctl.RemoveClonesRequest{Names: []string{"s"}}); err != nil {
			t.Error(err)
		}
	})
	grown, ended := make(chan cow.Sectors, 100), make(chan error, 1)
	growth := Growth{At: 50, Percent: 50, Failed: func(name string, err error) {
		if err != nil {
			t.Errorf("grow %s: %v", name, err)
		}
	}}
	second := open(t)
	go func() {
		ended <- Run(ctx, second, Options{Threshold: 100, Interval: 10 * time.Millisecond, Growth: growth}, func(e Event) error {
			if e.Kind == EventGrown {
				grown <- e.Snapshot.Total
			}
			return nil
		})
	}()
	// Each part is smaller than the free space, so that no write comes before
	// a look.
	const part = mib / 8
	for off := int64(0); off < 4*mib; off += part {
		write(t, "/dev/mapper/s", off, part)
		for full := true; full; {
			s, err := c.SnapshotNamed(ctx, "s")
			if err != nil || s.State != "active" {
				t.Fatalf("at %d: %+v, %v", off, s, err)
			}
			full = s.UsedPercent >= growth.At && s.Total < 4*2048
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(grown)
	last := cow.Sectors(mib / 2 / 512)
	for total := range grown {
		if total <= last {
			t.Errorf("the store grew from %d to %d sectors", last, total)
		}
		last = total
	}
	if info, err := os.Stat(filepath.Join(dir, "s.cow")); err != nil || info.Size() != int64(last)*512 || last < 4*2048 {
		t.Errorf("the file: %v, %v; the last size was %d sectors", info, err, last)
	}
}

const mib = 1 << 20

func open(t *testing.T) *dmctl.Controller {
	t.Helper()
	c, err := dmctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func sh(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// write overwrites a part of a device, and waits until it is on the device.
func write(t *testing.T, path string, off int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{7}, n), off)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
