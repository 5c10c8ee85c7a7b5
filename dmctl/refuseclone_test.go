package dmctl

// What is refused about clones, on an in-memory machine.

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify"
)

func fileOf(path string, bytes int64) func(*Controller) error {
	return func(c *Controller) error {
		machineInMemory(c).Files[path] = &dmtest.File{Bytes: bytes}
		return nil
	}
}

// tableless takes the tables of the device s, and with them its loop devices.
func tableless(c *Controller) error {
	m := machineInMemory(c)
	m.Find("s").Live = nil
	name, err := devices.ParseName("s")
	if err != nil {
		return err
	}
	return m.Clear(name)
}

func TestCloneRefusals(t *testing.T) {
	type steps = []func(*Controller) error
	written := func(c *Controller) error { machineInMemory(c).Files["/img"].Written = true; return nil }
	inUse := func(c *Controller) error { machineInMemory(c).Find("s").Mounted = "/mnt"; return nil }
	open := func(c *Controller) error { machineInMemory(c).Find("s").Open = 3; return nil }
	byVM := func(c *Controller) error {
		machineInMemory(c).OpenBy = []string{"qemu (process 7)", "sh (process 8)"}
		return nil
	}
	readOnly := func(c *Controller) error { machineInMemory(c).Disks["/dev/b"].ReadOnly = true; return nil }
	clone := doClone(clonesOf("s"))
	with := func(change func(*CloneRequest)) func(*Controller) error {
		r := clonesOf("s")
		change(&r)
		return doClone(r)
	}
	for _, tt := range []struct {
		name  string
		setup steps
		do    func(*Controller) error
		want  error
		says  string
	}{
		{"base that is written to", steps{written}, clone, ErrForce, "open for writing"},
		{"base by force", steps{written}, with(func(r *CloneRequest) { r.Force = true }), nil, ""},
		{"base that is a device", nil, with(func(r *CloneRequest) { r.Base = "/dev/a" }), ErrForce, "not read-only"},
		{"no base", nil, with(func(r *CloneRequest) { r.Base = "" }), ErrUsage, "no base"},
		{"base of 0 bytes", steps{fileOf("/base", 0)}, with(func(r *CloneRequest) { r.Base = "/base" }), ErrRefused, "base /base has 0 bytes"},
		{"base with half a sector", steps{fileOf("/base", 1<<20+256)}, with(func(r *CloneRequest) { r.Base = "/base" }), ErrRefused, "whole number of 512-byte sectors"},
		{"base too large for a store", steps{fileOf("/base", math.MaxInt64&^511)}, with(func(r *CloneRequest) { r.Base = "/base" }), ErrRefused, "base /base is too large"},
		{"base in another stack", steps{doCreate(onPlain), readOnly}, with(func(r *CloneRequest) { r.Names, r.Base = []string{"t"}, "/dev/b" }), ErrRefused, "base /dev/b is the COW device of snapshot s"},
		{"store in another stack", steps{doCreate(onPlain)}, with(func(r *CloneRequest) { r.Names, r.Store, r.StoreDir = []string{"t"}, "/dev/mapper/s", "" }), ErrRefused, "/dev/mapper/s is a snapshot itself"},
		{"base that is the store", nil, with(func(r *CloneRequest) { r.Base, r.Store, r.StoreDir, r.Force = "/dev/b", "/dev/b", "", true }), ErrOneDevice, "/dev/b is both base and store"},
		{"no clone", nil, with(func(r *CloneRequest) { r.Names = nil }), ErrUsage, "no clone named"},
		{"one name twice", nil, with(func(r *CloneRequest) { r.Names = []string{"s", "s"} }), ErrUsage, "named twice"},
		{"one store for two", nil, with(func(r *CloneRequest) { r.Names, r.Store, r.StoreDir = []string{"s", "t"}, "/x", "" }), ErrUsage, "cannot share a store"},
		{"store and directory", nil, with(func(r *CloneRequest) { r.Store = "/x" }), ErrUsage, "nor, for one clone, one store"},
		{"transient on a store with a name", nil, with(func(r *CloneRequest) { r.Store, r.StoreDir, r.Transient = "/x", "", true }), ErrStorePlace, "has no name"},
		{"store of less than nothing", nil, with(func(r *CloneRequest) { r.StoreSize = -1 }), ErrUsage, "store size -1: negative"},
		{"size of a device", nil, with(func(r *CloneRequest) { r.Store, r.StoreDir, r.StoreSize = "/dev/b", "", 64<<10 }), ErrUsage, "a device, which has its own size"},
		{"chunks with half a sector", nil, with(func(r *CloneRequest) { r.ChunkBytes = 4096 + 256 }), ErrUsage, "whole number of"},
		{"chunks of less than nothing", nil, with(func(r *CloneRequest) { r.ChunkBytes = -4096 }), ErrUsage, "whole number of"},
		{"chunks of three sectors", nil, with(func(r *CloneRequest) { r.ChunkBytes = 3 << 9 }), ErrUsage, "not a power of two"},
		{"store of two chunks", nil, with(func(r *CloneRequest) { r.StoreSize = 8 << 10 }), ErrUsage, "three chunks"},
		{"store larger than any file", nil, with(func(r *CloneRequest) { r.StoreSize = math.MaxInt64 }), ErrUsage, "store size 9223372036854775807: too large for a file"},
		{"store without a name, larger than any file", nil, with(func(r *CloneRequest) { r.StoreSize, r.Transient = math.MaxInt64-1, true }), ErrUsage, "too large for a file"},
		{"store that is there", steps{storeFile}, clone, ErrStoreThere, "there already"},
		{"name that is taken", steps{clone}, with(func(r *CloneRequest) { r.StoreDir = "/x" }), ErrExists, "exists"},
		{"no loop device", steps{func(c *Controller) error { machineInMemory(c).NoLoop = true; return nil }}, clone, ErrNoLoop, "no loop device"},
		{"base on a store", steps{clone}, with(func(r *CloneRequest) { r.Names, r.Base = []string{"t"}, "/dev/mapper/s" }), ErrForce, "not read-only"},
		{"reset in use", steps{clone, inUse}, doReset("s"), ErrBusy, "mounted at /mnt"},
		{"reset that a program has open", steps{clone, open, byVM}, doReset("s"), ErrBusy, "open by qemu (process 7), sh (process 8)"},
		{"remove what a program has open", steps{clone, open, byVM}, doRemoveClones(true, "s"), ErrBusy, "open by qemu (process 7), sh (process 8)"},
		{"remove that is open", steps{clone, open}, doRemoveClones(true, "s"), ErrOpen, "open by a program"},
		{"reset that is open", steps{clone, open}, doReset("s"), ErrBusy, "open by a program"},
		{"reset on a device", steps{with(func(r *CloneRequest) { r.Store, r.StoreDir = "/dev/b", "" })}, doReset("s"), ErrNoSpare, "its store is the device"},
		{"reset without a table", steps{clone, tableless}, doReset("s"), ErrUnfinished, "no live snapshot table"},
		{"reset a suspended clone", steps{clone, func(c *Controller) error { machineInMemory(c).Find("s").Suspended = true; return nil }}, doReset("s"), ErrSuspended, "it is suspended"},
		{"reset where a table waits", steps{clone, func(c *Controller) error {
			s := machineInMemory(c).Find("s")
			s.Waiting = s.Live
			return nil
		}}, doReset("s"), ErrUnfinished, "a table waits"},
		{"reset where the store was deleted", steps{clone, func(c *Controller) error {
			return machineInMemory(c).RenameFile("/stores/s.cow", "/stores/s.cow"+host.Deleted, false)
		}}, doReset("s"), ErrNoSpare, "its store has been deleted"},
		{"reset no clone", nil, doReset(), ErrUsage, "no clone named"},
		{"remove one clone twice", steps{clone}, doRemoveClones(false, "s", "s"), ErrUsage, "s is named twice"},
		{"reset nothing", nil, doReset("s"), ErrNotFound, "no snapshot"},
		{"reset a snapshot", steps{doCreate(onPlain)}, doReset("s"), ErrNoClone, "not a clone"},
		{"remove in use", steps{clone, inUse}, doRemoveClones(false, "s"), ErrBusy, "mounted at /mnt"},
		{"delete a device", steps{with(func(r *CloneRequest) { r.Store, r.StoreDir = "/dev/b", "" })}, doRemoveClones(true, "s"), ErrRefused, "cannot be deleted"},
		{"merge", steps{clone}, doMerge("s"), ErrRefused, "clone"},
		{"activate twice", steps{clone}, doActivateClone(ActivateCloneRequest{Name: "t", Base: "/img", Store: "/stores/s.cow"}), ErrBusy, "open for writing"},
		{"activate nothing", steps{func(c *Controller) error {
			machineInMemory(c).Files["/e"] = &dmtest.File{Bytes: 1 << 20}
			return nil
		}}, doActivateClone(ActivateCloneRequest{Name: "t", Base: "/img", Store: "/e"}), ErrNoStore, "no store"},
		{"activate a store that lost its header", steps{func(c *Controller) error {
			data := withoutHeader().Disks["/dev/b"].Data
			machineInMemory(c).Files["/e"] = &dmtest.File{Bytes: 1 << 20, Data: data}
			return nil
		}}, doActivateClone(ActivateCloneRequest{Name: "t", Base: "/img", Store: "/e", Force: true}), verify.ErrHeaderLost, "areas of a store"},
	} {
		c := newMachine(t, append(steps{withImage}, tt.setup...)...)
		before := machineInMemory(c).String()
		err := tt.do(c)
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %v with %q", tt.name, err, tt.want, tt.says)
		}
		if after := machineInMemory(c).String(); after != before {
			t.Errorf("%s changed something:\n%s\nwas\n%s", tt.name, after, before)
		}
	}
}
