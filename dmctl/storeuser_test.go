package dmctl_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

func dev(minor uint32) blockdev.DevNo { return blockdev.DevNo{Major: 253, Minor: minor} }

// strangers is a machine with snapshots made by others: two of one origin, and
// one that is being merged.
func strangers() *dmtest.Machine {
	m := dmtest.New()
	snap := func(origin, cow string) table.SnapshotArgs {
		return table.SnapshotArgs{Origin: origin, COW: cow, Store: table.Persistent, ChunkSize: 8}
	}
	one := func(s table.Spec) table.Table { return table.Single(1024, s) }
	m.Devices = []*dmtest.Device{
		{Name: "a", Dev: dev(1), Live: one(table.Snapshot(snap("8:0", "8:1")))},
		{Name: "b", Dev: dev(2), Live: one(table.Snapshot(snap("8:0", "8:2")))},
		{Name: "mixed", Dev: dev(5), Live: table.Table{
			{Start: 0, Length: 1024, Spec: table.Snapshot(snap("8:0", "8:9"))}, {Start: 1024, Length: 8, Spec: table.Zero{}},
		}},
		{Name: "o", Dev: dev(3), Live: one(table.SnapshotOrigin{Device: "8:0"})},
		{Name: "vg-lv", Dev: dev(4), Live: one(table.SnapshotMerge(snap("8:3", "8:4"))), Status: "32/2048 16"},
	}
	return m
}

func TestStoreUser(t *testing.T) {
	c := dmctl.NewOn(strangers())
	disk := func(minor uint32) blockdev.DevNo { return blockdev.DevNo{Major: 8, Minor: minor} }
	for _, tt := range []struct {
		stores  []blockdev.DevNo
		name    string
		merging bool
	}{
		{[]blockdev.DevNo{disk(1), dev(1)}, "a", false},
		{[]blockdev.DevNo{disk(7), disk(2)}, "b", false},
		{[]blockdev.DevNo{disk(4)}, "vg-lv", true},
		{[]blockdev.DevNo{disk(9), dev(5)}, "mixed", false},
		{[]blockdev.DevNo{disk(0), dev(3)}, "", false},
	} {
		u, err := c.StoreUser(tt.stores...)
		if err != nil || (u == nil) != (tt.name == "") || u != nil && (u.Name != tt.name || u.Merging != tt.merging) {
			t.Errorf("%v is used by %+v, error %v", tt.stores, u, err)
		}
	}
	for minor, want := range map[uint32]string{1: "a", 3: "", 4: "", 9: ""} {
		s, err := c.SnapshotAt(context.Background(), dev(minor))
		if err != nil || (s == nil) != (want == "") || s != nil && (s.Name != want || s.COW != "8:1") {
			t.Errorf("at %v is %+v, error %v", dev(minor), s, err)
		}
	}
	for of, want := range map[blockdev.DevNo]string{disk(0): "a", dev(3): "a", disk(3): "vg-lv", dev(4): "vg-lv", disk(1): "", dev(1): "", disk(7): ""} {
		s, err := c.SnapshotOf(context.Background(), of)
		if err != nil || (s == nil) != (want == "") || s != nil && s.Name != want {
			t.Errorf("of %v is %+v, error %v", of, s, err)
		}
	}
}

func TestMomentsOfAStore(t *testing.T) {
	const line = "16/2048 16"
	quiet := verify.Moment{Status: line, Metadata: 16, Quiet: true}
	busy := verify.Moment{Status: line, Metadata: 16}
	disk := blockdev.DevNo{Major: 8, Minor: 1}
	for name, tt := range map[string]struct {
		of     blockdev.DevNo
		change func(*dmtest.Machine)
		want   verify.Moment
	}{
		"at rest":                 {disk, func(*dmtest.Machine) {}, quiet},
		"a write to the snapshot": {disk, func(m *dmtest.Machine) { m.Writes = map[blockdev.DevNo]int{dev(1): 1} }, busy},
		"to the origin":           {disk, func(m *dmtest.Machine) { m.Writes = map[blockdev.DevNo]int{dev(3): 1} }, busy},
		"to another snapshot":     {disk, func(m *dmtest.Machine) { m.Writes = map[blockdev.DevNo]int{dev(2): 1} }, busy},
		"to something else":       {disk, func(m *dmtest.Machine) { m.Writes = map[blockdev.DevNo]int{dev(4): 1} }, quiet},
		"what is suspended has none": {disk, func(m *dmtest.Machine) {
			m.Uncounted, m.Find("a").Suspended, m.Find("b").Suspended, m.Find("o").Suspended = true, true, true, true
		}, quiet},
		"nobody counts":                {disk, func(m *dmtest.Machine) { m.Uncounted = true }, busy},
		"a leaky kernel":               {disk, func(m *dmtest.Machine) { m.SnapshotVersion = gate.Version{Major: 1, Minor: 11, Patch: 1} }, verify.Moment{Status: line, Metadata: 16, Quiet: true, Leaky: true}},
		"a merge":                      {blockdev.DevNo{Major: 8, Minor: 4}, func(*dmtest.Machine) {}, verify.Moment{Status: "32/2048 16", Metadata: 16, Merging: true}},
		"a merge that is done":         {blockdev.DevNo{Major: 8, Minor: 4}, func(m *dmtest.Machine) { m.Find("vg-lv").Status = line }, verify.Moment{Status: line, Metadata: 16, Quiet: true, Merging: true}},
		"a merge that failed":          {blockdev.DevNo{Major: 8, Minor: 4}, func(m *dmtest.Machine) { m.Find("vg-lv").MergeFailed = true }, verify.Moment{Status: "Merge failed", Quiet: true, Merging: true}},
		"one of several targets":       {dev(5), func(*dmtest.Machine) {}, verify.Moment{}},
		"an invalid snapshot, at rest": {disk, func(m *dmtest.Machine) { m.Find("a").Status = "Invalid" }, verify.Moment{Status: "Invalid", Quiet: true}},
	} {
		m := strangers()
		tt.change(m)
		u, err := dmctl.NewOn(m).StoreUser(tt.of)
		if err != nil {
			t.Fatal(err)
		}
		got, err := u.Look(context.Background())
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}

	m := strangers()
	u, err := dmctl.NewOn(m).StoreUser(disk)
	if err != nil {
		t.Fatal(err)
	}
	m.Devices = nil
	if _, err := u.Look(context.Background()); !errors.Is(err, dmctl.ErrNotFound) {
		t.Errorf("once the snapshot is gone: %v", err)
	}
}
