//go:build linux && kernel

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/anatol/devmapper.go"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// TestARepairedStoreGrowsIntoNoStaleRecord: the kernel's next commit ends
// where a record of a torn commit is, so the record becomes valid, with
// whatever is in its chunk. After a repair it does not
// (docs/crash-findings.md, finding 3).
func TestARepairedStoreGrowsIntoNoStaleRecord(t *testing.T) {
	disks := newFaulty(t).disks
	for _, repaired := range []bool{false, true} {
		f := &faulty{toolbox: newToolbox(t), disks: disks}
		f.damage(func(store []byte) { // right after the next exception's place
			copy(store[toolChunk+21*cow.ExceptionSize:], cow.Exception{Old: 90, New: 30}.AppendTo(nil))
		})
		f.fill()
		unmaps := f.maps()
		f.run(exitWarning, "verify faulty-store")
		if repaired {
			f.run(exitFine, "repair faulty-store --yes")
		}
		snap := func() string {
			return mapped(t, "grown", devmapper.SnapshotTable{
				Length: f.bytes[originDisk], OriginDevice: f.nodeOf(originDisk),
				COWDevice: f.nodeOf(storeDisk), Persistent: true, ChunkSize: toolChunk,
			})
		}
		data := bytes.Repeat([]byte{0x77}, toolChunk)
		putAt(t, snap(), data, 80*toolChunk)
		copy(f.shows[80*toolChunk:], data)
		unmap(t, "grown")
		if right := bytes.Equal(f.read(snap()), f.shows); right != repaired {
			t.Errorf("repaired %v: the snapshot is right: %v", repaired, right)
		}
		unmap(t, "grown")
		unmaps()
	}
}

// nodeOf returns the device that a name in the directory of the test leads to.
func (f *faulty) nodeOf(i int) string {
	f.t.Helper()
	node, err := os.Readlink(faultyNames[i])
	if err != nil {
		f.t.Fatal(err)
	}
	return node
}

// TestApplyLeavesOriginsInUseAlone: a mounted origin, and an origin with a
// snapshot.
func TestApplyLeavesOriginsInUseAlone(t *testing.T) {
	f := newFaulty(t)
	f.fill()
	shell(t, `mkfs.ext4 -qF "$1" 400`, f.disks[originDisk])
	defer f.maps()()
	before := f.read(faultyNames[originDisk])
	refused := func(says string) {
		t.Helper()
		if _, why := f.run(exitUnknown, "apply store --to faulty-origin --yes"); !strings.Contains(why, says) {
			t.Errorf("it says %q", why)
		}
		if !bytes.Equal(f.read(faultyNames[originDisk]), before) {
			t.Error("the origin has changed")
		}
	}
	mapped(t, "other-snap", devmapper.SnapshotTable{
		Length: f.bytes[originDisk], OriginDevice: f.nodeOf(originDisk), COWDevice: f.disks[storeDisk],
		Persistent: false, ChunkSize: toolChunk,
	})
	refused("in use") // the snapshot holds it
	unmap(t, "other-snap")
	dir := t.TempDir()
	shell(t, `mount -o ro,noload -t ext4 "$1" "$2"`, faultyNames[originDisk], dir)
	refused("in use")
	shell(t, `umount "$1"`, dir)
}
