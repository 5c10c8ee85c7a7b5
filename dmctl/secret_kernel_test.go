//go:build linux && kernel

package dmctl

// What the controller knows about devices that do not concern it, and which
// device it works on when paths change, on a real kernel.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dumpMemory writes the memory of this process to a disk, because memory has
// no room for it. It writes page by page, without pages of zeros, and returns
// the number of bytes. It does not touch pages that were never touched:
// User-mode Linux needs a mapping of the host for each touched page, and the
// host limits their number per process.
func dumpMemory(t *testing.T, disk string) (size int64) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	pages, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	// touched reports which of up to 4096 pages from at on exist.
	entries := make([]byte, 8*4096)
	touched := func(at int64) func(i int64) bool {
		const presentOrSwapped = 3 << 62
		n, _ := pages.ReadAt(entries, at/4096*8) // pages without an answer are read
		return func(i int64) bool {
			return int(8*i+8) > n || binary.LittleEndian.Uint64(entries[8*i:])&presentOrSwapped != 0
		}
	}
	out, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	page, zeros := make([]byte, 4096), make([]byte, 4096)
	for line := range strings.Lines(string(maps)) {
		var start, end int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &start, &end, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		var there func(i int64) bool
		for at := start; at < end; at += int64(len(page)) {
			i := (at - start) / 4096 % 4096
			if i == 0 {
				there = touched(at)
			}
			if !there(i) {
				continue
			}
			if n, err := memory.ReadAt(page, at); err != nil || bytes.Equal(page[:n], zeros) {
				continue
			}
			if _, err := out.WriteAt(page, size); err != nil {
				t.Fatal(err)
			}
			size += int64(len(page))
		}
	}
	return size
}

// occurrences returns how often a text occurs in the first bytes of a disk.
func occurrences(t *testing.T, disk string, size int64, text []byte) (n int) {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	piece := make([]byte, mib)
	for at := int64(0); at < size; at += int64(len(piece) - len(text)) {
		got, err := f.ReadAt(piece, at)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		part := piece[:min(int64(got), size-at)]
		if i := bytes.Index(part, text); i >= 0 {
			t.Logf("%s: found behind %q", disk, part[max(0, i-340):i])
		}
		n += bytes.Count(part, text)
	}
	return n
}

// A crypt device's key stays where it is, no matter what is done next to the
// device, and even with a snapshot of the device itself.
func TestKeysAreNotRead(t *testing.T) {
	c, disks := scratch(t)
	loadModule(t, "crypto", "cbc")
	loadModule(t, "security/keys/encrypted-keys", "encrypted-keys")
	loadModule(t, "drivers/md", "dm-crypt")
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	// The key is made by another process, and known to this one only at the end.
	script := `head -c 32 /dev/urandom | od -A n -t x1 | tr -d ' \n' > ` + key + `
echo "0 16384 crypt aes-cbc-plain64 $(cat ` + key + `) 0 ` + disks[0] + ` 0" | dmsetup create keys
dmsetup mknodes`
	if out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	fill(t, "/dev/mapper/keys", 0, mib, 1)
	before := content(t, "/dev/mapper/keys")
	ctx := context.Background()
	create(t, c, CreateRequest{Name: "s", Origin: disks[3], COW: disks[1]})
	for range 10 {
		if _, err := c.Snapshots(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PlanRecover(ctx); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, c, "s")
	beside := dumpMemory(t, disks[1])
	create(t, c, CreateRequest{Name: "k", Origin: "/dev/mapper/keys", COW: disks[2]})
	fill(t, "/dev/mapper/keys", 0, mib/2, 2)
	same(t, "a snapshot of the crypt device", content(t, "/dev/mapper/k"), before)
	if err := c.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	remove(t, c, "k")
	after := append(noise(mib/2, 2), before[mib/2:]...)
	same(t, "the crypt device after all", content(t, "/dev/mapper/keys"), after)

	moved := dumpMemory(t, disks[3])
	// A process that does read the table has the key in its memory.
	table, err := exec.Command("dmsetup", "table", "--showkeys", "keys").Output()
	if err != nil {
		t.Fatal(err)
	}
	second := dumpMemory(t, disks[2])
	text, err := os.ReadFile(key)
	if err != nil || len(text) != 64 || !bytes.Contains(table, text) {
		t.Fatalf("the key has %d bytes, %v", len(text), err)
	}
	if n := occurrences(t, disks[2], second, text); n == 0 {
		t.Error("the key is not found where it must be: this test finds nothing")
	}
	for when, dump := range map[string]struct {
		disk string
		size int64
	}{"beside it": {disks[1], beside}, "with a snapshot of it": {disks[3], moved}} {
		if n := occurrences(t, dump.disk, dump.size, text); n > 0 {
			t.Errorf("after work %s, the key is %d times in memory", when, n)
		}
	}
}

// A link is moved to another disk before any step: that disk does not change,
// and the snapshot is of the disk that was checked.
func TestLinksThatMove(t *testing.T) {
	c, disks := scratch(t)
	dir := t.TempDir()
	link := filepath.Join(dir, "cow")
	pointTo := func(disk string) {
		t.Helper()
		next := filepath.Join(dir, "next")
		if err := errors.Join(os.Symlink(disk, next), os.Rename(next, link)); err != nil {
			t.Fatal(err)
		}
	}
	cows := pieces(t, c, disks[1], "cow", 8, 8)
	blank(t, c, cows...)
	fill(t, cows[1], 0, mib, 5)
	other := content(t, cows[1])
	number := func(path string) string {
		d, err := c.e.Machine.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		return d.Dev().String()
	}
	right := number(cows[0])
	ctx := context.Background()
	for at := 0; ; at++ {
		pointTo(cows[0])
		p, err := c.PlanCreate(ctx, CreateRequest{Name: "s", Origin: disks[0], COW: link, Force: true})
		if err != nil {
			t.Fatal(err)
		}
		c.e.BeforeStep = func(_ *Plan, n int) {
			if n == at {
				pointTo(cows[1])
			}
		}
		err = c.Run(ctx, p)
		c.e.BeforeStep = nil
		if err != nil {
			t.Fatalf("moved before step %d: %v", at, err)
		}
		if text := tableOf(t, c, "s"); !strings.Contains(text, " "+right+" ") {
			t.Errorf("moved before step %d: the snapshot is %s, want its COW device to be %s", at, text, right)
		}
		same(t, fmt.Sprintf("moved before step %d: the other disk", at), content(t, cows[1]), other)
		remove(t, c, "s")
		if at == len(p.Steps()) {
			return
		}
	}
}
