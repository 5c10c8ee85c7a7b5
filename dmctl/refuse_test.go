package dmctl

// What the controller refuses, on an in-memory machine.

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// volTargets gives vol other targets.
func volTargets(specs ...table.Spec) func(*dmtest.Machine) {
	return func(m *dmtest.Machine) {
		vol := m.Find("vol")
		vol.Live = nil
		for i, s := range specs {
			vol.Live = append(vol.Live, table.Target{Start: 1024 * cow.Sectors(i), Length: 1024, Spec: s})
		}
	}
}

func volUUID(uuid string) func(*dmtest.Machine) {
	return func(m *dmtest.Machine) { m.Find("vol").UUID = uuid }
}

func disk(path string, change func(*dmtest.Disk)) func(*dmtest.Machine) {
	return func(m *dmtest.Machine) { change(m.Disks[path]) }
}

func device(name string, change func(*dmtest.Device)) func(*dmtest.Machine) {
	return func(m *dmtest.Machine) { change(m.Find(name)) }
}

func doLookFor(name string) func(*Controller) error {
	return func(c *Controller) error {
		_, err := c.SnapshotNamed(context.Background(), name)
		return err
	}
}

func TestRefusals(t *testing.T) {
	type steps = []func(*Controller) error
	mapped, withS := steps{haveMapped}, steps{doCreate(onPlain)}
	merging := steps{doCreate(onPlain), beginMerge}
	activatedS := steps{func(c *Controller) error {
		c.e.Machine.(*dmtest.Machine).Disks["/dev/b"].Data = dmtest.EmptyStore(8)
		return nil
	}, doActivate(ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"})}
	number := func(path string) blockdev.DevNo { return dmtest.New().Disks[path].Number }
	doMergeAs := func(r MergeRequest) func(*Controller) error {
		return func(c *Controller) error { return c.Merge(context.Background(), r, nil) }
	}
	onlyMerge, opaque := doMerge("s"), func(name string) table.Spec { return table.Opaque{Name: name, Text: "x"} }
	largeChunks := onPlain
	largeChunks.ChunkBytes = 512 << 10
	plans := func(c *Controller) error { _, err := c.PlanCreate(context.Background(), onMapped); return err }
	for _, tt := range []struct {
		name  string
		setup steps
		when  func(*dmtest.Machine)
		do    func(*Controller) error
		want  error
		word  string
	}{
		{"chunks with half a sector", nil, nil, doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", ChunkBytes: 4096 + 256}), ErrUsage, "whole number of"},
		{"chunks of less than nothing", nil, nil, doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", ChunkBytes: -4096}), ErrUsage, "whole number of"},
		{"chunks of three sectors", nil, nil, doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", ChunkBytes: 3 << 9}), ErrUsage, "not a power of two"},
		{"COW too small", nil, nil, doCreate(largeChunks), ErrRefused, "three chunks: 1572864"},
		{"COW just large enough", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Size = 3 << 19 }), doCreate(largeChunks), nil, ""},
		{"COW is the origin", nil, nil, doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/a"}), ErrRefused, "both origin and COW"},
		{"COW on the origin's file system", nil, disk("/dev/b", func(d *dmtest.Disk) { d.LiesOn = []blockdev.DevNo{number("/dev/a")} }), doCreate(onPlain), ErrRefused, "lies on the origin"},
		{"origin on the COW device's file system", nil, disk("/dev/a", func(d *dmtest.Disk) { d.LiesOn = []blockdev.DevNo{number("/dev/b")} }), doCreate(onPlain), ErrRefused, "the origin /dev/a lies on"},
		{"COW read-only", nil, disk("/dev/b", func(d *dmtest.Disk) { d.ReadOnly = true }), doCreate(onPlain), ErrRefused, "read-only"},
		{"COW mounted", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Mounted = "/mnt" }), doCreate(onPlain), ErrBusy, "mounted at /mnt"},
		{"origin mounted", nil, disk("/dev/a", func(d *dmtest.Disk) { d.Mounted = "/mnt" }), doCreate(onPlain), ErrBusy, "would not be preserved"},
		{"block of the COW device", nil, disk("/dev/b", func(d *dmtest.Disk) { d.BlockSize = 8192 }), doCreate(onPlain), ErrRefused, "logical block size of /dev/b, 8192"},
		{"block of the origin", nil, disk("/dev/a", func(d *dmtest.Disk) { d.BlockSize = 8192 }), doCreate(onPlain), ErrRefused, "logical block size of /dev/a, 8192"},
		{"odd size", nil, disk("/dev/a", func(d *dmtest.Disk) { d.Size += 3 }), doCreate(onPlain), ErrRefused, "whole number of 512-byte sectors"},
		{"no size", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Size = 0 }), doCreate(onPlain), ErrRefused, "0 bytes"},
		{"last byte of the first MiB", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Size, d.Data = 1<<21, append(make([]byte, 1<<20-1), 1) }), doCreate(onPlain), ErrForce, "byte 1048575 is not zero"},
		{"first byte behind the first MiB", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Size, d.Data = 1<<21, append(make([]byte, 1<<20), 1) }), doCreate(onPlain), nil, ""},
		{"byte in large chunk 1", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Size, d.Data = 1<<23, append(make([]byte, 2<<20-1), 1) }),
			doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", ChunkBytes: 1 << 20}), ErrForce, "byte 2097151"},
		{"a signature", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Carries = []string{"ext4"} }), doCreate(onPlain), ErrForce, "contains ext4"},
		{"old kernel and features", nil, func(m *dmtest.Machine) { m.SnapshotVersion.Minor = 15 }, doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", DiscardZeroesCOW: true}), ErrRefused, "discard features"},
		{"name taken", withS, nil, doCreate(CreateRequest{Name: "s", Origin: "/dev/c", COW: "/dev/d"}), ErrExists, ""},
		{"no nodes can be made", nil, func(m *dmtest.Machine) { m.NoNodes = devices.Refuse("/dev is read-only") }, doCreate(onPlain), ErrRefused, "/dev is read-only"},
		{"no nodes can be made, activate", nil, func(m *dmtest.Machine) {
			m.NoNodes, m.Disks["/dev/b"].Data = devices.Refuse("/dev is read-only"), dmtest.EmptyStore(8)
		}, doActivate(activateS), ErrRefused, "/dev is read-only"},
		{"what a killed create left", nil, func(m *dmtest.Machine) {
			m.Devices = append(m.Devices, &dmtest.Device{Name: "s" + devices.NewSuffix, Dev: blockdev.DevNo{Major: 253, Minor: 99}})
		}, doCreate(onPlain), ErrUnfinished, ""},

		{"a live store as origin", withS, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/b", COW: "/dev/c"}), ErrRefused, "/dev/b is the COW device of snapshot s"},
		{"a live store as COW device", withS, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/c", COW: "/dev/b", Force: true}), ErrRefused, "/dev/b is the COW device of snapshot s"},
		{"a store that is being merged as origin", steps{doCreate(onPlain), failedMerge}, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/b", COW: "/dev/c", Force: true}), ErrRefused, "that is being merged into s-origin"},
		{"a store that is being merged as COW device", steps{doCreate(onPlain), failedMerge}, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/c", COW: "/dev/b", Force: true}), ErrRefused, "that is being merged into s-origin"},
		{"a snapshot as origin", withS, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/mapper/s", COW: "/dev/c", Force: true}), ErrRefused, "/dev/mapper/s is a snapshot itself"},
		{"a snapshot as COW device", withS, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/c", COW: "/dev/mapper/s", Force: true}), ErrRefused, "/dev/mapper/s is a snapshot itself"},
		{"a hidden layer as origin", steps{haveMapped, doCreate(onMapped)}, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/mapper/vol-dmsnap-real", COW: "/dev/c", Force: true}), ErrRefused, "a layer below the origin vol"},
		{"a hidden layer as COW device", steps{haveMapped, doCreate(onMapped)}, nil, doCreate(CreateRequest{Name: "t", Origin: "/dev/c", COW: "/dev/mapper/vol-dmsnap-real", Force: true}), ErrRefused, "a layer below the origin vol"},
		{"another's live store as origin", mapped, func(m *dmtest.Machine) {
			m.Devices = append(m.Devices, &dmtest.Device{Name: "vg-s", UUID: "LVM-1", Dev: blockdev.DevNo{Major: 253, Minor: 99},
				Live: table.Single(8, table.Snapshot{Origin: "8:0", COW: m.Find("vol").Dev.String(), Store: table.Persistent, ChunkSize: 8})})
		}, doCreate(CreateRequest{Name: "t", Origin: "/dev/mapper/vol", COW: "/dev/c", Force: true}), ErrRefused, "the COW device of snapshot vg-s"},

		{"LVM's origin", mapped, volUUID("LVM-0123"), plans, ErrForce, "belongs to LVM"},
		{"multipath's origin", mapped, volUUID("mpath-0123"), plans, ErrForce, "belongs to multipath"},
		{"a partition of multipath's", mapped, volUUID("part2-mpath-0123"), plans, ErrForce, "belongs to multipath"},
		{"origin suspended", mapped, device("vol", func(d *dmtest.Device) { d.Suspended = true }), plans, ErrSuspended, "is suspended"},
		{"origin's table waits", mapped, device("vol", func(d *dmtest.Device) { d.Waiting = d.Live }), plans, ErrSuspended, "a waiting table"},
		{"origin without a table", mapped, device("vol", func(d *dmtest.Device) { d.Live = nil }), plans, ErrRefused, "vol has no live table"},
		{"origin into which a snapshot is being merged", merging, nil, doCreate(onPlain2), ErrMerging, "a snapshot is being merged into s-origin"},
		{"origin read-only", mapped, device("vol", func(d *dmtest.Device) { d.ReadOnly = true }), plans, ErrRefused, "read-only"},
		{"layer left by a killed create", mapped, func(m *dmtest.Machine) {
			m.Devices = append(m.Devices, &dmtest.Device{Name: "vol" + devices.RealSuffix, Dev: blockdev.DevNo{Major: 253, Minor: 99}})
		}, plans, ErrUnfinished, ""},
		{"origin of raid", mapped, volTargets(opaque("raid")), plans, ErrRefused, "target raid"},
		{"origin of cache", mapped, volTargets(opaque("cache")), plans, ErrRefused, "target cache"},
		{"origin of mirror", mapped, volTargets(opaque("mirror")), plans, ErrRefused, "target mirror"},
		{"origin with one such part", mapped, volTargets(table.Zero{}, opaque("integrity")), plans, ErrRefused, "target integrity"},
		{"origin of crypt", mapped, volTargets(opaque("crypt")), plans, nil, ""},
		{"origin of all that may move", mapped, volTargets(opaque("linear"), opaque("striped"), table.Zero{}, table.Error{}, opaque("thin"), opaque("delay"), opaque("flakey"), opaque("dust"), opaque("unstriped"), opaque("switch")), plans, nil, ""},

		{"merge into a mounted origin", withS, device("s-origin", func(d *dmtest.Device) { d.Mounted = "/mnt" }), onlyMerge, ErrForce, "mounted at /mnt"},
		{"merge into a held origin", withS, func(m *dmtest.Machine) {
			m.Devices = append(m.Devices, &dmtest.Device{Name: "above", Dev: blockdev.DevNo{Major: 253, Minor: 99}, Live: table.Single(8, table.Linear{Device: m.Find("s-origin").Dev.String()})})
		}, onlyMerge, ErrForce, "held by above"},
		{"merge into a mounted origin by force", withS, device("s-origin", func(d *dmtest.Device) { d.Mounted = "/mnt" }), doMergeAs(MergeRequest{Name: "s", Force: true}), nil, ""},
		{"merge into a read-only origin", withS, disk("/dev/a", func(d *dmtest.Disk) { d.ReadOnly = true }), doMergeAs(MergeRequest{Name: "s", Force: true}), ErrRefused, "the origin /dev/a is read-only"},
		{"merge an activated snapshot", activatedS, nil, onlyMerge, ErrMayBeChanged, "mixed with it"},
		{"merge an activated snapshot by force alone", activatedS, nil, doMergeAs(MergeRequest{Name: "s", Force: true}), ErrMayBeChanged, ""},
		{"merge an activated snapshot, unchanged", activatedS, nil, doMergeAs(MergeRequest{Name: "s", OriginUnchanged: true}), nil, ""},
		{"merge a snapshot that is open", withS, device("s", func(d *dmtest.Device) { d.Open = 1 }), onlyMerge, ErrBusy, "open by a program"},
		{"merge a suspended snapshot", withS, device("s", func(d *dmtest.Device) { d.Suspended = true }), onlyMerge, ErrSuspended, ""},
		{"merge an invalid snapshot", withS, device("s", func(d *dmtest.Device) { d.Status = "Invalid" }), onlyMerge, ErrRefused, "its state is invalid"},
		{"merge where a table waits", withS, device("s-origin", func(d *dmtest.Device) { d.Waiting = d.Live }), onlyMerge, ErrSuspended, "a waiting table"},
		{"merge a transient snapshot", steps{doCreate(CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", Transient: true})}, nil, onlyMerge, ErrRefused, "transient"},
		{"merge a snapshot without a table", withS, device("s", func(d *dmtest.Device) { d.Live = nil }), onlyMerge, ErrUnfinished, "no live snapshot table"},
		{"merge where the origin has no device", withS, device("s-origin", func(d *dmtest.Device) { d.Live = nil }), onlyMerge, ErrRefused, "no active snapshot-origin device"},
		{"merge during the merge of another", steps{doCreate(onPlain), doCreate(onPlain2), beginMerge}, nil, doMerge("t"), ErrMerging, "another snapshot is being merged into s-origin"},
		{"merge what is no snapshot", withS, nil, doMerge("s-origin"), ErrRefused, ""},
		{"merge what another program made", withS, device("s", func(d *dmtest.Device) { d.UUID = "LVM-1" }), onlyMerge, devices.ErrNotOurs, ""},

		{"remove a snapshot that is mounted", withS, device("s", func(d *dmtest.Device) { d.Mounted = "/mnt" }), doRemove("s"), ErrBusy, "mounted at /mnt"},
		{"remove what is no snapshot", withS, nil, doRemove("s-origin"), devices.ErrNoSnapshot, ""},
		{"remove what another program made", withS, device("s", func(d *dmtest.Device) { d.UUID = "LVM-1" }), doRemove("s"), ErrForce, "made by LVM"},
		{"remove during a merge", merging, nil, doRemove("s"), ErrMerging, "it is being merged into s-origin"},
		{"remove by force during a merge", merging, nil, func(c *Controller) error {
			return c.Remove(context.Background(), RemoveRequest{Name: "s", Force: true})
		}, ErrMerging, ""},
		{"remove after a failed merge", steps{doCreate(onPlain), failedMerge}, nil, doRemove("s"), ErrMerging, ""},
		{"grow during a merge", merging, nil, doPlan(growS), ErrMerging, "it is being merged"},
		{"rename during a merge", merging, nil, doPlan(renameToU), ErrMerging, ""},
		{"suspend during a merge", merging, nil, doPlan(func(c *Controller) (*Plan, error) { return c.PlanSuspend(context.Background(), "s") }), ErrMerging, ""},
		{"resume during a merge", merging, nil, doPlan(func(c *Controller) (*Plan, error) { return c.PlanResume(context.Background(), "s") }), ErrMerging, ""},
		{"resume where a table waits", withS, device("s", func(d *dmtest.Device) { d.Waiting = d.Live }),
			doPlan(func(c *Controller) (*Plan, error) { return c.PlanResume(context.Background(), "s") }), ErrUnfinished, "a table waits"},
		{"suspend what is not there", withS, nil,
			doPlan(func(c *Controller) (*Plan, error) { return c.PlanSuspend(context.Background(), "x") }), ErrNotFound, "suspend x: no snapshot of this name"},
		{"look for what is no snapshot", withS, nil, doLookFor("s-origin"), devices.ErrNoSnapshot, "find snapshot s-origin"},
		{"look for what is not there", withS, nil, doLookFor("x"), ErrNotFound, "find snapshot x: no snapshot of this name"},
		{"grow a snapshot without a table", withS, device("s", func(d *dmtest.Device) { d.Live = nil }), doPlan(growS), ErrUnfinished, "no live snapshot table"},
		{"grow a suspended snapshot", withS, device("s", func(d *dmtest.Device) { d.Suspended = true }), doPlan(growS), ErrSuspended, ""},
		{"grow what another program made", withS, device("s", func(d *dmtest.Device) { d.UUID = "LVM-1" }), doPlan(growS), ErrForce, "made by another program"},
		{"grow what another program made by force", withS, device("s", func(d *dmtest.Device) { d.UUID = "LVM-1" }),
			doPlan(func(c *Controller) (*Plan, error) {
				return c.PlanGrow(context.Background(), GrowRequest{Name: "s", Force: true})
			}), nil, ""},
		{"grow what is no snapshot by force", withS, nil,
			doPlan(func(c *Controller) (*Plan, error) {
				return c.PlanGrow(context.Background(), GrowRequest{Name: "s-origin", Force: true})
			}), devices.ErrNoSnapshot, ""},
		{"grow the file of a store that is a disk", withS, nil, doGrow(4096), ErrNoStoreFile, "not a file with a name"},
		{"grow the file of a transient clone", steps{withImage, doClone(CloneRequest{Names: []string{"s"}, Base: "/img", StoreDir: "/stores", StoreSize: 64 << 10, Transient: true})}, nil, doGrow(4096), ErrNoStoreFile, ""},
		{"grow a store that can hold every chunk", steps{withImage, doClone(clonesOf("s"))}, nil, doGrow(4096), ErrLargeEnough, "hold every chunk"},
		{"grow by less than nothing", steps{withImage, smallClone}, nil, doGrow(-1), ErrUsage, "negative"},
		{"grow a file's store that is invalid", steps{withImage, smallClone}, device("s", func(d *dmtest.Device) { d.Status = "Invalid" }), doGrow(4096), ErrRefused, "room comes too late"},
		{"grow an invalid snapshot", withS, device("s", func(d *dmtest.Device) { d.Status = "Invalid" }), doPlan(growS), ErrRefused, "room comes too late"},
		{"grow where a table waits", withS, device("s", func(d *dmtest.Device) { d.Waiting = d.Live }), doPlan(growS), ErrUnfinished, ""},
		{"an empty store activated", nil, nil, doActivate(ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"}), ErrNoStore, ""},
		{"a store activated that lost its header", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Data = withoutHeader().Disks["/dev/b"].Data }), doActivate(activateS), verify.ErrHeaderLost, "areas of a store"},
		{"the same by force", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Data = withoutHeader().Disks["/dev/b"].Data }), doActivate(ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", Force: true}), verify.ErrHeaderLost, "areas of a store"},
		{"no store activated", nil, disk("/dev/b", func(d *dmtest.Disk) { d.Data = []byte("some text") }), doActivate(ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"}), ErrRefused, "no COW store"},
		{"rename to a name that is taken", withS, nil, doPlan(func(c *Controller) (*Plan, error) { return c.PlanRename(context.Background(), "s", "s-origin") }), ErrExists, ""},
	} {
		m := scenario{name: tt.name, setup: tt.setup}.machine(t)
		if tt.when != nil {
			tt.when(m)
		}
		before := m.String()
		err := tt.do(NewOn(m))
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%s: %v; want %v with %q", tt.name, err, tt.want, tt.word)
		}
		if m.Calls > 0 || m.String() != before {
			t.Errorf("%s: refused, but after %d calls:\n%s", tt.name, m.Calls, m)
		}
		if claimed := m.Claimed(); len(claimed) > 0 {
			t.Errorf("%s: refused, but %v stay claimed", tt.name, claimed)
		}
	}
}
