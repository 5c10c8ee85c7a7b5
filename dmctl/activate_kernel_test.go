//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

func run(t *testing.T, c *Controller, p *Plan, err error) *Plan {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// A store that was deactivated and activated again shows the same snapshot,
// and can be merged if its origin was not changed meanwhile.
func TestActivate(t *testing.T) {
	c, disks := scratch(t)
	ctx := context.Background()
	origin, cow := disks[0], disks[1]
	fill(t, origin, 0, 4*mib, 1)
	want := content(t, origin)
	create(t, c, CreateRequest{Name: "s", Origin: origin, COW: cow, ChunkBytes: 16 << 9, Overflow: true})
	fill(t, "/dev/mapper/s-origin", mib, mib, 2)
	before := snapshot(t, c, "s")
	remove(t, c, "s")

	if err := c.Activate(ctx, ActivateRequest{Name: "s", Origin: origin, COW: cow, Overflow: true}); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, c, "s")
	if after.Allocated != before.Allocated || after.Metadata != before.Metadata || after.ChunkSectors != 16 || !after.Overflow {
		t.Errorf("before %+v, after %+v", before, after)
	}
	same(t, "snapshot", content(t, "/dev/mapper/s"), want)
	if err := c.Merge(ctx, MergeRequest{Name: "s"}, nil); !errors.Is(err, ErrRefused) || !errors.Is(err, ErrMayBeChanged) {
		t.Errorf("merge of an activated snapshot: %v", err)
	}
	if err := c.Merge(ctx, MergeRequest{Name: "s", OriginUnchanged: true}, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "origin", content(t, origin), want)
	if err := c.Activate(ctx, ActivateRequest{Name: "s", Origin: origin, COW: cow}); err != nil {
		t.Errorf("activate the store that a merge left: %v", err)
	}
	if s := snapshot(t, c, "s"); s.Allocated != s.Metadata {
		t.Errorf("the store that a merge left is not empty: %+v", s)
	}
}

func TestActivateRefuses(t *testing.T) {
	c, disks := scratch(t)
	ctx := context.Background()
	r := ActivateRequest{Name: "s", Origin: disks[0], COW: disks[1]}
	if err := c.Activate(ctx, r); !errors.Is(err, ErrNoStore) || !errors.Is(err, ErrRefused) {
		t.Errorf("an empty store: %v", err)
	}
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: disks[1], ChunkBytes: 8 << 9})
	fill(t, "/dev/mapper/s-origin", 0, mib, 2)
	remove(t, c, "s")
	// The second record becomes a copy of the first: a duplicate.
	area := content(t, disks[1])[4096:8192]
	copy(area[16:32], area[:16])
	f, err := os.OpenFile(disks[1], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(area, 4096); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.Activate(ctx, r); !errors.Is(err, ErrForce) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged store: %v", err)
	}
	if got := names(t, c); got != "" {
		t.Errorf("devices: %s", got)
	}
	r.Force = true
	p, err := c.PlanActivate(ctx, r)
	if run(t, c, p, err); !strings.Contains(strings.Join(noteTexts(p), "\n"), "by force") {
		t.Errorf("notes: %v", p.Notes)
	}
}

func TestRenameSuspendResume(t *testing.T) {
	c, disks := scratch(t)
	ctx := context.Background()
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: disks[1]})
	p, err := c.PlanRename(ctx, "s", "other name")
	run(t, c, p, err)
	if got := names(t, c); got != `other\x20name s-origin` {
		t.Errorf("devices: %s", got)
	}
	if _, err := os.Stat("/dev/mapper/s"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old node: %v", err)
	}
	p, err = c.PlanSuspend(ctx, "other name")
	run(t, c, p, err)
	if s := snapshot(t, c, "other name"); !s.Suspended || s.State != "active" {
		t.Errorf("suspended: %+v", s)
	}
	p, err = c.PlanResume(ctx, "other name")
	run(t, c, p, err)
	if s := snapshot(t, c, "other name"); s.Suspended {
		t.Errorf("resumed: %+v", s)
	}
	content(t, `/dev/mapper/other\x20name`)
	remove(t, c, "other name")
}

// A full store: a write through the snapshot gives Overflow and leaves it
// valid; a write to the origin invalidates it. Before that, the store grows
// with its device.
func TestGrowOverflowInvalid(t *testing.T) {
	c, disks := scratch(t)
	ctx := context.Background()
	cow := pieces(t, c, disks[1], "cow", 1)[0]
	fill(t, disks[0], 0, 8*mib, 1)
	old := content(t, disks[0])
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: cow, ChunkBytes: 8 << 9, Overflow: true})
	fill(t, "/dev/mapper/s-origin", 0, mib/2, 2)

	grown := table.Single(2*mib/512, table.Linear{Device: disks[1], Offset: 0})
	if err := c.e.Load(mustName(t, "cow0"), grown); err != nil {
		t.Fatal(err)
	}
	if err := c.e.Resume(mustName(t, "cow0"), 0); err != nil {
		t.Fatal(err)
	}
	p, err := c.PlanGrow(ctx, GrowRequest{Name: "s"})
	run(t, c, p, err)
	if s := snapshot(t, c, "s"); s.Total != 2*mib/512 || s.State != "active" {
		t.Errorf("grown: %+v", s)
	}
	fill(t, "/dev/mapper/s-origin", mib/2, mib, 3)
	same(t, "snapshot after growing", content(t, "/dev/mapper/s"), old)

	f, err := os.OpenFile("/dev/mapper/s", os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(noise(mib, 4), 4*mib); err == nil {
		t.Error("a write through a full snapshot succeeded")
	}
	f.Close()
	if s := snapshot(t, c, "s"); s.State != "overflow" {
		t.Errorf("after a write through the full snapshot: %+v", s)
	}
	fill(t, "/dev/mapper/s-origin", 6*mib, mib, 5)
	if s := snapshot(t, c, "s"); s.State != "invalid" {
		t.Errorf("after a write to the origin: %+v", s)
	}
	after := content(t, "/dev/mapper/s-origin")
	for i, part := range []struct {
		off, n int64
		seed   uint64
	}{{0, mib / 2, 2}, {mib / 2, mib, 3}, {6 * mib, mib, 5}} {
		same(t, fmt.Sprintf("origin write %d", i), after[part.off:part.off+part.n], noise(part.n, part.seed))
	}
	if _, err := c.PlanGrow(ctx, GrowRequest{Name: "s"}); !errors.Is(err, ErrRefused) {
		t.Errorf("growing an invalid snapshot: %v", err)
	}
	remove(t, c, "s")
}

func noteTexts(p *Plan) []string {
	var out []string
	for _, n := range p.Notes {
		out = append(out, n.Text)
	}
	return out
}
