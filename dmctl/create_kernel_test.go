//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

func names(t *testing.T, c *Controller) string {
	t.Helper()
	v, err := devices.Look(c.e)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range v {
		out = append(out, d.Name.String())
	}
	return strings.Join(out, " ")
}

func snapshot(t *testing.T, c *Controller, name string) Snapshot {
	t.Helper()
	s, err := c.SnapshotNamed(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, c *Controller, r CreateRequest) {
	t.Helper()
	if err := c.Create(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, c *Controller, name string) {
	t.Helper()
	if err := c.Remove(context.Background(), RemoveRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
}

func TestTargetVersion(t *testing.T) {
	c, _ := scratch(t)
	v, err := c.TargetVersion("snapshot", true)
	if err != nil || !v.AtLeast(gate.Version{Major: 1, Minor: 11}) {
		t.Errorf("snapshot target %v, %v", v, err)
	}
	if _, err := c.TargetVersion("nonesuch", true); !errors.Is(err, ErrNoTarget) {
		t.Errorf("a target that does not exist: %v", err)
	}
}

// A plain block device: its snapshot shows the content at its creation, and
// the device for writing shows the present content.
func TestCreateOnPlainDevice(t *testing.T) {
	c, disks := scratch(t)
	origin, cow := disks[0], disks[1]
	fill(t, origin, 0, 8*mib, 1)
	before := content(t, origin)
	create(t, c, CreateRequest{Name: "s", Origin: origin, COW: cow, ChunkBytes: 8 << 9, Overflow: true})

	want := Snapshot{
		Name: "s", Kind: KindSnapshot, Owner: "dmsnapctl", State: "active",
		Origin: origin, OriginDevice: "/dev/mapper/s-origin", COW: cow,
		Persistent: true, Overflow: true, ChunkSectors: 8, Size: 256 * mib / 512,
		Allocated: 16, Metadata: 16, Total: 256 * mib / 512, HasMetadata: true,
	}
	got := snapshot(t, c, "s")
	want.UUID, want.UsedPercent, want.EventNr = got.UUID, got.UsedPercent, got.EventNr
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	fill(t, "/dev/mapper/s-origin", mib, mib, 2)
	fill(t, "/dev/mapper/s", 3*mib, mib, 3)
	after := append([]byte(nil), before...)
	copy(after[mib:], noise(mib, 2))
	same(t, "origin", content(t, "/dev/mapper/s-origin"), after)
	kept := append([]byte(nil), before...)
	copy(kept[3*mib:], noise(mib, 3))
	same(t, "snapshot", content(t, "/dev/mapper/s"), kept)

	remove(t, c, "s")
	if n := names(t, c); n != "" {
		t.Errorf("devices after remove: %s", n)
	}
	if entries, _ := os.ReadDir("/dev/mapper"); len(entries) != 1 {
		t.Errorf("nodes after remove: %v", entries)
	}
	same(t, "origin after remove", content(t, origin), after)
}

// A second snapshot uses the existing origin device. Its smaller chunks are
// copied in their own size, so that it shows its own point in time.
func TestCreateTwice(t *testing.T) {
	c, disks := scratch(t)
	origin := disks[0]
	fill(t, origin, 0, 4*mib, 1)
	first := content(t, origin)
	create(t, c, CreateRequest{Name: "a", Origin: origin, COW: disks[1], ChunkBytes: 128 << 9})
	fill(t, "/dev/mapper/a-origin", 0, mib, 2)
	second := content(t, "/dev/mapper/a-origin")
	create(t, c, CreateRequest{Name: "b", Origin: origin, COW: disks[2], ChunkBytes: 8 << 9})
	create(t, c, CreateRequest{Name: "c", Origin: "/dev/mapper/a-origin", COW: disks[3], Transient: true})
	fill(t, "/dev/mapper/a-origin", mib/2, 2*mib, 3)
	same(t, "first snapshot", content(t, "/dev/mapper/a"), first)
	same(t, "second snapshot", content(t, "/dev/mapper/b"), second)
	same(t, "transient snapshot", content(t, "/dev/mapper/c"), second)
	if n := names(t, c); n != "a-origin a b c" && n != "a a-origin b c" {
		t.Errorf("devices: %s", n)
	}
	if s := snapshot(t, c, "c"); s.Persistent || s.ChunkSectors != 32 || s.Origin != origin {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"a", "c", "b"} {
		remove(t, c, name)
	}
	if n := names(t, c); n != "" {
		t.Errorf("devices after remove: %s", n)
	}
}

func TestCreateRefuses(t *testing.T) {
	c, disks := scratch(t)
	small := pieces(t, c, disks[3], "small", 1)[0]
	fill(t, disks[2], 0, 512, 1)
	if err := os.WriteFile(disks[2], []byte("SnAp"), 0); err != nil {
		t.Fatal(err)
	}
	create(t, c, CreateRequest{Name: "taken", Origin: disks[0], COW: disks[1]})
	tests := []struct {
		name string
		r    CreateRequest
		want error
		word string
	}{
		{"name in use", CreateRequest{Name: "taken", Origin: disks[0], COW: disks[2]}, ErrExists, ""},
		{"own COW", CreateRequest{Name: "s", Origin: disks[2], COW: disks[2]}, ErrRefused, "both"},
		{"COW in use", CreateRequest{Name: "s", Origin: disks[0], COW: disks[1]}, ErrRefused, "the COW device of snapshot taken"},
		{"COW with a store", CreateRequest{Name: "s", Origin: disks[0], COW: disks[2]}, ErrForce, "DM_snapshot_cow"},
		{"a directory for a node", CreateRequest{Name: "dir", Origin: disks[0], COW: small}, ErrRefused, "not the node"},
		{"COW too small", CreateRequest{Name: "s", Origin: disks[0], COW: small, ChunkBytes: 1024 << 9}, ErrRefused, "three chunks"},
		{"65 sectors", CreateRequest{Name: "s", Origin: disks[0], COW: small, ChunkBytes: 65 << 9}, ErrUsage, "power of two"},
		{"2^22 sectors", CreateRequest{Name: "s", Origin: disks[0], COW: small, ChunkBytes: 1 << 31}, ErrUsage, "limit"},
		{"a file", CreateRequest{Name: "s", Origin: "/etc/passwd", COW: small}, ErrRefused, "sectors"},
		{"no device", CreateRequest{Name: "s", Origin: "/dev/nonesuch", COW: small}, os.ErrNotExist, "origin"},
		{"COW below the origin", CreateRequest{Name: "s", Origin: small, COW: disks[3]}, ErrBusy, "held by"},
		{"COW on the origin", CreateRequest{Name: "s", Origin: disks[3], COW: small}, ErrBusy, "held by"},
		{"COW on the origin device", CreateRequest{Name: "s", Origin: disks[0], COW: "/dev/mapper/taken-origin"}, ErrRefused, "lies on"},
	}
	if err := os.Mkdir("/dev/mapper/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove("/dev/mapper/dir")
	before := names(t, c)
	for _, tt := range tests {
		err := c.Create(context.Background(), tt.r)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%s: %v; want %v with %q", tt.name, err, tt.want, tt.word)
		}
	}
	if after := names(t, c); after != before {
		t.Errorf("devices before %s, after %s", before, after)
	}
}

func TestRemoveRefuses(t *testing.T) {
	c, disks := scratch(t)
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: disks[1]})
	open, err := os.Open("/dev/mapper/s")
	if err != nil {
		t.Fatal(err)
	}
	var waited time.Duration
	machineOf(c).sleep = func(d time.Duration) { waited += d }
	err = c.Remove(context.Background(), RemoveRequest{Name: "s"})
	if !errors.Is(err, ErrBusy) || !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), "open by a program") || strings.Contains(err.Error(), "ioctl") {
		t.Errorf("removing an open snapshot: %v", err)
	}
	if waited != (plan.RemoveTries-1)*plan.RemovePause {
		t.Errorf("waited %v for the snapshot to be closed", waited)
	}
	open.Close()
	for name, want := range map[string]error{"none": ErrNotFound, "s-origin": ErrRefused} {
		if err := c.Remove(context.Background(), RemoveRequest{Name: name}); !errors.Is(err, want) {
			t.Errorf("removing %s: %v, want %v", name, err, want)
		}
	}
	remove(t, c, "s")
}

// A COW device must be blank where chunks 0 and 1 will be, and in its first
// MiB.
func TestCreateWantsBlankCOW(t *testing.T) {
	c, disks := scratch(t)
	ctx := context.Background()
	store := pieces(t, c, disks[1], "cow", 8)[0]
	for _, tt := range []struct {
		at    int64 // the byte that is not zero
		chunk int64 // in sectors
		taken bool
	}{
		{0, 8, false}, {4095, 8, false}, {mib - 1, 8, false}, {mib, 8, true}, {2*mib - 1, 2048, false}, {2 * mib, 2048, true},
	} {
		zero(t, c, store, 4*mib)
		f, err := os.OpenFile(store, os.O_WRONLY|os.O_SYNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{7}, tt.at)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		was := content(t, store)
		r := CreateRequest{Name: "s", Origin: disks[0], COW: store, ChunkBytes: tt.chunk << 9}
		err = c.Create(ctx, r)
		switch {
		case tt.taken && err != nil:
			t.Errorf("byte %d: %v", tt.at, err)
		case !tt.taken && (!errors.Is(err, ErrForce) || !strings.Contains(err.Error(), fmt.Sprintf("data of an unknown kind (byte %d", tt.at))):
			t.Errorf("byte %d: %v", tt.at, err)
		case !tt.taken:
			same(t, "the COW device that was refused", content(t, store), was)
			r.Force = true
			create(t, c, r)
		}
		remove(t, c, "s")
	}
}

// A create that fails late leaves nothing behind that makes a second one fail.
func TestCreateAgainAfterFailure(t *testing.T) {
	c, disks := scratch(t)
	r := CreateRequest{Name: "s", Origin: disks[0], COW: disks[1]}
	p, err := c.PlanCreate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.e.BeforeStep = func(_ *Plan, n int) {
		if n == len(p.Steps())-2 {
			cancel()
		}
	}
	defer func() { c.e.BeforeStep = nil }()
	if err := c.Run(ctx, p); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "undone, but chunks 0 and 1") {
		t.Errorf("interrupted: %v", err)
	}
	if got := names(t, c); got != "" {
		t.Errorf("devices: %s", got)
	}
	create(t, c, r)
	remove(t, c, "s")
}

// Two at once on the same origin: one waits for the other.
func TestCreateAtOnce(t *testing.T) {
	c, disks := scratch(t)
	cows := pieces(t, c, disks[1], "cow", 8, 8, 8, 8)
	blank(t, c, cows...)
	before := len(cows)
	errs := make(chan error)
	for i, cow := range cows {
		go func() {
			other, err := Open()
			if err == nil {
				defer other.Close()
				err = other.Create(context.Background(), CreateRequest{Name: fmt.Sprintf("s%d", i), Origin: disks[0], COW: cow})
			}
			errs <- err
		}()
	}
	for range cows {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	all, err := c.Snapshots(context.Background())
	if err != nil || len(all) != len(cows) {
		t.Errorf("%d snapshots, %v", len(all), err)
	}
	for _, s := range all {
		if s.OriginDevice != all[0].OriginDevice {
			t.Errorf("%s is written through %s, %s through %s", s.Name, s.OriginDevice, all[0].Name, all[0].OriginDevice)
		}
	}
	if got := strings.Fields(names(t, c)); len(got) != before+len(cows)+1 || strings.Contains(names(t, c), devices.NewSuffix) {
		t.Errorf("devices: %v, want %d COW devices, as many snapshots and one snapshot-origin", got, before)
	}
}
