//go:build linux && kernel

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// mapped makes a device from tables, and returns its node.
func mapped(t *testing.T, name string, tables ...devmapper.Table) string {
	t.Helper()
	if err := devmapper.CreateAndLoad(name, "", 0, tables...); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	info, err := devmapper.InfoByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/dev/dm-%d", unix.Minor(info.DevNo))
}

func unmap(t *testing.T, name string) {
	t.Helper()
	var err error
	for range 200 {
		if err = devmapper.Remove(name); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		settle(t) // what udev scans is busy
	}
	if err != nil {
		t.Fatalf("remove %s: %v", name, err)
	}
}

func putAt(t *testing.T, path string, b []byte, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b, at)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheKernelTakesReclaimedStores: random leaky stores, reclaimed; the kernel
// shows the regained space and every chunk as before, fills the store to its
// last chunk, and merges to the end, into what extract wrote before.
func TestTheKernelTakesReclaimedStores(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatal("DMSNAPCTL_TEST_DISKS names too few disks")
	}
	c, err := dmctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range uint64(thorough.Of(14, 100)) { // each chunk size twice at least
		reclaimedStore(t, c, disks[0], disks[1], n)
		if t.Failed() {
			t.Fatalf("store %d", n)
		}
	}
}

func reclaimedStore(t *testing.T, c *dmctl.Controller, originDisk, cowDisk string, seed uint64) {
	b := toolbox{t: t}
	r := rand.New(rand.NewPCG(seed, 7))
	chunkSectors := cow.Sectors(8) << (seed % 7) // 4 to 256 KiB
	g, err := cow.NewGeometry(chunkSectors)
	if err != nil {
		t.Fatal(err)
	}
	chunk := int(g.ChunkBytes())
	originChunks := 24 + r.IntN(20)
	changed, leaked := 5+r.IntN(10), 1+r.IntN(8)
	origin := make([]byte, originChunks*chunk)
	for at := 0; at < len(origin); at += 512 {
		origin[at], origin[at+1] = byte(at>>9), byte(at>>17)+byte(seed)
	}
	slots := append(r.Perm(changed + leaked - 1)[:changed-1], changed+leaked-1)
	r.Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	spec := cowtest.Store{Chunk: chunkSectors, DeviceChunks: g.ChunksFor(uint64(changed + leaked))}
	olds := r.Perm(originChunks)
	for i, old := range olds[:changed] {
		spec.Exceptions = append(spec.Exceptions, cow.Exception{Old: cow.Chunk(old), New: g.DataChunk(uint64(slots[i]))})
	}
	store, shows := spec.Bytes(), bytes.Clone(origin)
	for _, e := range spec.Exceptions {
		data := store[int(e.New)*chunk:][:chunk]
		for at := 0; at < chunk; at += 512 {
			data[at], data[at+1] = byte(e.Old)|0x80, byte(at>>9)
		}
		copy(shows[int(e.Old)*chunk:], data)
	}
	o := mapped(t, "rc-origin", devmapper.LinearTable{Length: uint64(len(origin)), BackendDevice: originDisk})
	defer unmap(t, "rc-origin")
	s := mapped(t, "rc-cow", devmapper.LinearTable{Length: uint64(len(store)), BackendDevice: cowDisk})
	defer unmap(t, "rc-cow")
	putAt(t, o, origin, 0)
	putAt(t, s, store, 0)

	b.run(exitFine, "reclaim "+s+" --yes")
	b.run(exitFine, "verify "+s)
	mapped(t, "rc-snap", devmapper.SnapshotTable{Length: uint64(len(origin)), OriginDevice: o, COWDevice: s, Persistent: true, ChunkSize: uint64(chunk)})
	snap := "/dev/mapper/rc-snap"
	if info, err := devmapper.InfoByName("rc-snap"); err == nil {
		snap = fmt.Sprintf("/dev/dm-%d", unix.Minor(info.DevNo))
	}
	ctx := context.Background()
	line := func(name string) *dmctl.Snapshot {
		t.Helper()
		all, err := c.Snapshots(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if all[i].Name == name {
				return &all[i]
			}
		}
		t.Fatalf("no snapshot %s among %+v", name, all)
		return nil
	}
	if st, want := line("rc-snap"), uint64(g.DataChunk(uint64(changed-1))+1)*uint64(chunkSectors); uint64(st.Allocated) != want {
		t.Errorf("%d sectors are allocated, want %d", st.Allocated, want)
	}
	if !bytes.Equal(b.read(snap), shows) {
		t.Error("the snapshot shows something else")
	}
	for i, old := range olds[changed : changed+leaked] { // as many as were regained
		data := bytes.Repeat([]byte{0x55, byte(i)}, chunk/2)
		putAt(t, snap, data, int64(old)*int64(chunk))
		copy(shows[old*chunk:], data)
	}
	if st := line("rc-snap"); st.Allocated != st.Total || st.State != "active" {
		t.Errorf("after filling it: %+v", st)
	}
	unmap(t, "rc-snap")
	if image, _ := b.run(exitFine, "extract "+s+" --origin "+o+" -o -"); image != string(shows) {
		t.Error("extract writes something else before the merge")
	}
	mapped(t, "rc-merge", devmapper.SnapshotMergeTable{Length: uint64(len(origin)), OriginDevice: o, COWDevice: s, Persistent: true, ChunkSize: uint64(chunk)})
	for range 1000 {
		if st := line("rc-merge"); st.Allocated == st.Metadata {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if st := line("rc-merge"); st.Allocated != st.Metadata {
		t.Errorf("the merge does not end: %+v", st)
	}
	unmap(t, "rc-merge")
	if !bytes.Equal(b.read(o), shows) {
		t.Error("the origin is not the image")
	}
}
