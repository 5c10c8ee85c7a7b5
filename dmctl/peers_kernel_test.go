//go:build linux && kernel

package dmctl

// Cases from the tests of other projects that no other test here covers; see
// docs/attacks.md.

import (
	"context"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// One of two snapshots is merged: the kernel copies what it overwrites to the
// other one, which shows the same as before.
func TestMergeOneOfTwo(t *testing.T) {
	c, disks := scratch(t)
	vol := mapped(t, c, "vol", "0 16384 linear "+disks[0]+" 0")
	fill(t, vol, 0, 8*mib, 1)
	first := content(t, vol)
	create(t, c, CreateRequest{Name: "a", Origin: vol, COW: disks[1], ChunkBytes: 8 << 9})
	fill(t, vol, mib, 2*mib, 2)
	second := content(t, vol)
	create(t, c, CreateRequest{Name: "b", Origin: vol, COW: disks[2], ChunkBytes: 16 << 9})
	fill(t, vol, 2*mib, 2*mib, 3)
	if err := c.Merge(context.Background(), MergeRequest{Name: "a"}, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "the origin", content(t, vol), first)
	same(t, "the other snapshot", content(t, "/dev/mapper/b"), second)
	if s := snapshot(t, c, "b"); s.State != "active" {
		t.Errorf("%+v", s)
	}
	remove(t, c, "b")
	if got := names(t, c); got != "vol" {
		t.Errorf("devices: %s", got)
	}
}

// A store that is full to its last chunk is still valid, and can grow.
func TestGrowFullStore(t *testing.T) {
	c, disks := scratch(t)
	store := pieces(t, c, disks[1], "cow", 1)[0]
	fill(t, disks[0], 0, 4*mib, 1)
	old := content(t, disks[0])
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: store, ChunkBytes: 8 << 9})
	const room = mib/4096 - 2 // without the header and the only area
	fill(t, "/dev/mapper/s-origin", 0, room*4096, 2)
	if s := snapshot(t, c, "s"); s.State != "active" || s.UsedPercent != 100 {
		t.Fatalf("full: %+v", s)
	}
	if err := c.e.Load(mustName(t, "cow0"), table.Single(2*mib/512, table.Linear{Device: disks[1], Offset: 0})); err != nil {
		t.Fatal(err)
	}
	if err := c.e.Resume(mustName(t, "cow0"), 0); err != nil {
		t.Fatal(err)
	}
	p, err := c.PlanGrow(context.Background(), GrowRequest{Name: "s"})
	run(t, c, p, err)
	fill(t, "/dev/mapper/s-origin", 2*mib, mib/2, 3)
	if s := snapshot(t, c, "s"); s.State != "active" || s.Total != 2*mib/512 {
		t.Errorf("grown: %+v", s)
	}
	same(t, "the snapshot", content(t, "/dev/mapper/s"), old)
	remove(t, c, "s")
}
