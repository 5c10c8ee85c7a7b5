//go:build linux && kernel

package main

// Whole stories: from a problem or a wish to the data.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"
)

// loadLoop makes the kernel load its loop driver.
func loadLoop(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		shell(t, "modprobe loop")
	}
}

// loopOn puts a loop device on a file.
func loopOn(t *testing.T, file string, flags ...string) string {
	t.Helper()
	loadLoop(t)
	loop := strings.TrimSpace(shell(t, `losetup -f --show "$@"`, append(flags, file)...))
	t.Cleanup(func() { shell(t, `losetup -d "$1" 2>/dev/null || true`, loop) })
	return loop
}

// overlaid makes a live system's overlay: a snapshot of a read-only base,
// which is written to.
func overlaid(t *testing.T, base, store string) string {
	t.Helper()
	info, err := os.Stat(base)
	if err != nil {
		t.Fatal(err)
	}
	return mapped(t, "live-rw", devmapper.SnapshotTable{
		Length: uint64(info.Size()), OriginDevice: loopOn(t, base, "-r"), COWDevice: loopOn(t, store), Persistent: true, ChunkSize: 4096,
	})
}

// TestAnOverlayThatRanFull: a live system's overlay fills up and is
// invalidated. rescue recovers it with every acknowledged write, and makes
// room.
func TestAnOverlayThatRanFull(t *testing.T) {
	const chunk, chunks = 4096, 4096
	t.Chdir(t.TempDir())
	b := toolbox{t: t}
	shows := make([]byte, chunks*chunk)
	for at := 0; at < len(shows); at += 512 {
		copy(shows[at:], fmt.Sprintf("base %d", at))
	}
	b.write("base.img", shows)
	b.write("overlay", nil)
	if err := os.Truncate("overlay", 1<<20); err != nil {
		t.Fatal(err)
	}
	write := func(device string, n int, content func(chunk int) []byte) (acknowledged int, err error) {
		f, err := os.OpenFile(device, os.O_WRONLY|unix.O_DSYNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		for i, at := range rand.New(rand.NewPCG(1, 2)).Perm(chunks)[:n] {
			data := content(at)
			if _, err := f.WriteAt(data, int64(at)*chunk); err != nil {
				return i, err
			}
			copy(shows[at*chunk:], data)
		}
		return n, nil
	}
	first := func(at int) []byte { return bytes.Repeat([]byte{0xa0, byte(at)}, chunk/2) }
	n, err := write(overlaid(t, "base.img", "overlay"), chunks, first)
	if err == nil || n < 200 {
		t.Fatalf("after %d writes: %v", n, err)
	}
	unmap(t, "live-rw")
	shell(t, `losetup -D`)
	settle(t) // a loop device that udev scans is detached after that

	b.run(exitCritical, "verify overlay")
	b.run(exitCritical, "rescue overlay --origin base.img --yes") // the origin may have changed
	b.run(exitFine, "rescue overlay --origin base.img --origin-unchanged --grow-by 4M --yes")
	b.run(exitFine, "verify overlay")
	b.run(exitFine, "extract overlay --origin base.img -o image")
	if !bytes.Equal(b.read("image"), shows) {
		t.Error("the image lacks writes that were acknowledged")
	}
	device := overlaid(t, "base.img", "overlay")
	if !bytes.Equal(b.read(device), shows) {
		t.Error("the snapshot lacks writes that were acknowledged")
	}
	if _, err := write(device, n+100, func(at int) []byte { return bytes.Repeat([]byte{0xb0, byte(at)}, chunk/2) }); err != nil {
		t.Errorf("with more room: %v", err)
	}
	if !bytes.Equal(b.read(device), shows) {
		t.Error("the snapshot lacks writes after the rescue")
	}
	unmap(t, "live-rw")
}

// TestRescueOfAnOverlayInUse: the store of an active snapshot that is full and
// still valid grows before the next write.
func TestRescueOfAnOverlayInUse(t *testing.T) {
	const chunk, chunks, room = 4096, 256, 32
	t.Chdir(t.TempDir())
	b := toolbox{t: t}
	b.write("base.img", make([]byte, chunks*chunk))
	b.write("overlay", make([]byte, (room+2)*chunk))
	device := overlaid(t, "base.img", "overlay")
	write := func(from, n int) {
		t.Helper()
		writeAt(t, device, int64(from)*chunk, bytes.Repeat([]byte{7}, n*chunk))
	}
	write(0, room)
	if out, _ := b.run(exitWarning, "rescue live-rw --origin base.img"); !strings.Contains(out, "the store is full; add --grow-by SIZE") {
		t.Errorf("the plan: %s", out)
	}
	b.run(exitFine, "rescue live-rw --origin base.img --grow-by 64K --yes")
	write(room, 10)
	b.run(exitFine, "verify live-rw")
	if _, why := b.run(exitUnknown, "grow overlay --by 64K --yes"); !strings.Contains(why, "live-rw") {
		t.Errorf("its file alone: %s", why)
	}
	unmap(t, "live-rw")
}

// TestRescueOfAnInvalidLVMSnapshot: LVM keeps the device of a snapshot that ran
// full. The chunks that were copied until then are read from the store.
func TestRescueOfAnInvalidLVMSnapshot(t *testing.T) {
	f := onLVM(t, "ext4")
	t.Chdir(t.TempDir())
	shell(t, `dd if=/dev/urandom of="$1/file" bs=64k count=64 2>/dev/null; sync`, f.dir)
	shell(t, `mount -o remount,ro "$1"; dd if=/dev/v-g/vol of=was bs=4k conv=sparse 2>/dev/null
		lvm lvcreate -qq -s -n full -L 4m v-g/vol; mount -o remount,rw "$1"`, f.dir)
	for _, pieces := range []string{"16", "128"} { // what is not committed when the store overflows is lost
		shell(t, `dd if=/dev/urandom of="$1/file" bs=64k count="$2" conv=notrunc 2>/dev/null; sync`, f.dir, pieces)
	}
	if state := shell(t, `dmsetup status v--g-full`); !strings.Contains(state, "Invalid") {
		t.Fatalf("the snapshot is not invalid: %s", state)
	}
	b := toolbox{t: t}
	if out, _ := b.run(exitUnknown, "rescue v-g/full --origin v-g/vol --origin-unchanged --yes"); !strings.Contains(out, "dmsetup remove") {
		t.Errorf("what needs the store idle: %s", out)
	}
	b.run(exitWarning, "rescue v-g/full --origin v-g/vol -o image --yes")
	out, _ := b.run(exitWarning, "extract v-g/full --origin v-g/vol --best-effort -o again --json")
	var said extractObject
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatal(err)
	}
	certain := int64(0)
	for _, s := range said.Certain {
		certain += s.Length
		shell(t, `cmp -n "$1" -i "$2" was image`, fmt.Sprint(s.Length), fmt.Sprint(s.Offset))
	}
	if certain < 1<<20 {
		t.Errorf("%d certain bytes of a store of 4 MiB", certain)
	}
	shell(t, `lvm lvremove -qq -y v-g/full`)
}

// TestIncrementalBackups: two increments of a logical volume in use, with
// LVM's snapshots and qcow2 overlays, which qemu-img commits.
func TestIncrementalBackups(t *testing.T) {
	f := onLVM(t, "ext4")
	t.Chdir(t.TempDir())
	change := func(round int) {
		t.Helper()
		shell(t, `dd if=/dev/urandom of="$1/file$2" bs=64k count=20 2>/dev/null; dd if=/dev/urandom of="$1/file0" bs=4k count=9 seek=$2 conv=notrunc 2>/dev/null; sync`,
			f.dir, fmt.Sprint(round))
	}
	snapshot := func(name string) { t.Helper(); shell(t, `lvm lvcreate -qq -s -n "$1" -L 24m v-g/vol`, name) }
	remove := func(name string) { t.Helper(); shell(t, `lvm lvremove -qq -y "v-g/$1"`, name) }
	increment := func(since, now, backing, to string) {
		t.Helper()
		dmsnapctl(t, exitFine, "extract", "v-g/"+since, "--origin", "v-g/vol", "-o", to,
			"--only-changes", "--backing", backing, "--side", "origin", "--content", "v-g/"+now)
		remove(since)
		shell(t, `qemu-img check -q "$1"`, to)
	}
	change(0)
	snapshot("one")
	shell(t, `qemu-img convert -O raw /dev/v-g/one full.img`)
	change(1)
	snapshot("two")
	increment("one", "two", "full.img", "first.qcow2")
	change(2)
	snapshot("three")
	increment("two", "three", "first.qcow2", "second.qcow2")
	shell(t, `qemu-img commit -q second.qcow2; qemu-img commit -q first.qcow2`)
	if got, want := shell(t, `sha256sum < full.img`), shell(t, `sha256sum < /dev/v-g/three`); got != want {
		t.Error("the increments do not make the origin of the third moment")
	}
	if size := shell(t, `du -k first.qcow2 | cut -f1`); len(strings.TrimSpace(size)) > 5 {
		t.Errorf("an increment of some 2 MiB takes %s KiB", size)
	}
	remove("three")
}
