//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

func tableOf(t *testing.T, _ *Controller, name string) string { return liveTable(t, name) }

// writer writes 4 KiB blocks with their own number again and again until it is
// stopped, past the page cache.
type writer struct {
	stop   atomic.Bool
	done   chan error
	rounds int
}

func startWriter(t *testing.T, path string, size int64) *writer {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{done: make(chan error, 1)}
	go func() {
		defer f.Close()
		buf := blockdev.AlignedBuffer(4096)
		for ; !w.stop.Load(); w.rounds++ {
			for off := int64(0); off < size && !w.stop.Load(); off += 4096 {
				for i := range buf {
					buf[i] = byte(w.rounds + int(off/4096))
				}
				if _, err := f.WriteAt(buf, off); err != nil {
					w.done <- err
					return
				}
			}
		}
		w.done <- nil
	}()
	return w
}

func (w *writer) end(t *testing.T) {
	t.Helper()
	w.stop.Store(true)
	if err := <-w.done; err != nil {
		t.Errorf("the writer: %v", err)
	}
}

// An active dm device keeps its name, its users and, after the last snapshot,
// its table byte for byte.
func TestCreateOnMappedDevice(t *testing.T) {
	c, disks := scratch(t)
	origin := mapped(t, c, "vol", "0 16384 linear "+disks[0]+" 0\n16384 16384 linear "+disks[0]+" 32768")
	before := tableOf(t, c, "vol")
	fill(t, origin, 0, 16*mib, 1)
	old := content(t, origin)

	w := startWriter(t, origin, 4*mib)
	create(t, c, CreateRequest{Name: "a", Origin: origin, COW: disks[1], ChunkBytes: 8 << 9})
	w.end(t)
	first := content(t, "/dev/mapper/a")
	same(t, "the part of the snapshot that nobody wrote to", first[4*mib:], old[4*mib:])

	w = startWriter(t, origin, 8*mib)
	create(t, c, CreateRequest{Name: "b", Origin: origin, COW: disks[2]})
	w.end(t)
	same(t, "first snapshot", content(t, "/dev/mapper/a"), first)
	if s := snapshot(t, c, "b"); s.Origin != origin || s.OriginDevice != origin {
		t.Errorf("origin %s, device %s", s.Origin, s.OriginDevice)
	}
	if got := names(t, c); got != "a b vol vol-dmsnap-real" {
		t.Errorf("devices: %s", got)
	}

	w = startWriter(t, origin, 8*mib)
	remove(t, c, "a")
	remove(t, c, "b")
	w.end(t)
	if diff := cmp.Diff(before, tableOf(t, c, "vol")); diff != "" {
		t.Errorf("the origin's table: %s", diff)
	}
	if got := names(t, c); got != "vol" {
		t.Errorf("devices: %s", got)
	}
}

func TestCreateOnMappedRefuses(t *testing.T) {
	c, disks := scratch(t)
	tests := map[string]string{
		"raw": "0 8192 flakey " + disks[0] + " 0 1 0",
		"log": "0 8192 log-writes " + disks[0] + " " + disks[3],
	}
	for name, line := range tests {
		tests[name] = mapped(t, c, name, line)
	}
	if err := c.Create(context.Background(), CreateRequest{Name: "s", Origin: tests["log"], COW: disks[1]}); !errors.Is(err, ErrRefused) {
		t.Errorf("a log-writes device as origin: %v", err)
	}
	n := mustName(t, "raw")
	if err := c.e.Load(n, table.Single(8192, table.Zero{})); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(context.Background(), CreateRequest{Name: "s", Origin: tests["raw"], COW: disks[1]}); !errors.Is(err, ErrRefused) {
		t.Errorf("an origin with a table waiting: %v", err)
	}
	if got := tableOf(t, c, "raw"); got[:13] != "0 8192 flakey" {
		t.Errorf("the origin's table became %s", got)
	}
}

// A merge under writes: the origin ends as it was at the snapshot, except for
// what is written after the merge began.
func TestMerge(t *testing.T) {
	for _, origin := range []string{"plain", "mapped"} {
		t.Run(origin, func(t *testing.T) {
			c, disks := scratch(t)
			path, through := disks[0], "/dev/mapper/s-origin"
			if origin == "mapped" {
				path = mapped(t, c, "vol", "0 32768 linear "+disks[0]+" 0")
				through = path
			}
			ctx := context.Background()
			fill(t, path, 0, 8*mib, 1)
			want := content(t, path)
			create(t, c, CreateRequest{Name: "s", Origin: path, COW: disks[1], ChunkBytes: 8 << 9})
			fill(t, through, 0, 6*mib, 2)

			p, err := c.PlanMerge(ctx, MergeRequest{Name: "s"})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Run(ctx, p); err != nil {
				t.Fatal(err)
			}
			if s := snapshot(t, c, "s"); s.State != "merging" || s.OriginDevice != through {
				t.Errorf("while merging: %+v", s)
			}
			if origin == "mapped" {
				fill(t, through, 5*mib, mib/2, 3)
				copy(want[5*mib:], noise(mib/2, 3))
			}
			looks := 0
			if err := c.Merge(ctx, MergeRequest{Name: "s"}, func(Snapshot) { looks++ }); err != nil {
				t.Fatal(err)
			}
			same(t, "origin", content(t, path), want)
			if looks == 0 {
				t.Error("no progress was reported")
			}
			wantNames := map[string]string{"plain": "", "mapped": "vol"}[origin]
			if got := names(t, c); got != wantNames {
				t.Errorf("devices: %q", got)
			}
		})
	}
}
