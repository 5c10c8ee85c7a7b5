//go:build linux && kernel

package main

// What the commands that recover data do on devices that fail, and on full
// file systems.

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"
)

// faulty is a leaky store and its origin on devices whose chunks can fail.
type faulty struct {
	toolbox
	disks [2]string // of the origin and of the store
	bytes [2]uint64
}

const (
	originDisk = iota
	storeDisk
)

var faultyNames = [2]string{"faulty-origin", "faulty-store"}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	disks := testDisks(t)
	f := &faulty{toolbox: newToolbox(t), disks: [2]string{disks[0], disks[1]}}
	mapped(t, "faulty-error", devmapper.ErrorTable{Length: 1 << 20})
	t.Cleanup(func() { unmap(t, "faulty-error") })
	return f
}

// fill puts the toolbox's files on the disks.
func (f *faulty) fill() {
	f.t.Helper()
	for i, name := range [2]string{"origin", "store"} {
		data := f.read(name)
		f.bytes[i] = uint64(len(data))
		putAt(f.t, f.disks[i], data, 0)
	}
}

// fault is what is wrong with a chunk of a device.
type fault struct {
	device int
	chunk  uint64
}

// maps makes both devices; writes to the chunks in bad fail.
func (f *faulty) maps(bad ...fault) (unmaps func()) {
	f.t.Helper()
	return f.mapsWith(func(table *devmapper.DelayTable, errorDisk string) {
		table.WriteDevice, table.WriteOffset = errorDisk, 0
	}, bad...)
}

// mapsUnreadable makes both devices; the chunks in bad cannot be read. It needs no
// dm-dust, which not every kernel has.
func (f *faulty) mapsUnreadable(bad ...fault) (unmaps func()) {
	f.t.Helper()
	return f.mapsWith(func(table *devmapper.DelayTable, errorDisk string) {
		table.ReadDevice, table.ReadOffset = errorDisk, 0
	}, bad...)
}

// mapsWith makes both devices, and breaks the chunks in bad.
func (f *faulty) mapsWith(breaks func(table *devmapper.DelayTable, errorDisk string), bad ...fault) (unmaps func()) {
	f.t.Helper()
	info, err := devmapper.InfoByName("faulty-error")
	if err != nil {
		f.t.Fatal(err)
	}
	errorDisk := nodeOf(info)
	for i, name := range faultyNames {
		var tables []devmapper.Table
		at := uint64(0)
		linear := func(end uint64) {
			if at < end {
				tables = append(tables, devmapper.LinearTable{Start: at, Length: end - at, BackendDevice: f.disks[i], BackendOffset: at})
			}
		}
		for _, b := range bad {
			if b.device != i {
				continue
			}
			linear(b.chunk * toolChunk)
			at = b.chunk * toolChunk
			table := devmapper.DelayTable{
				Start: at, Length: toolChunk, ReadDevice: f.disks[i], ReadOffset: at, WriteDevice: f.disks[i], WriteOffset: at, FlushDevice: f.disks[i], FlushOffset: at,
			}
			breaks(&table, errorDisk)
			tables = append(tables, table)
			at += toolChunk
		}
		linear(f.bytes[i])
		f.node(i, mapped(f.t, name, tables...))
	}
	return f.unmaps
}

// node gives a device a name in the directory of the test.
func (f *faulty) node(i int, node string) {
	f.t.Helper()
	_ = os.Remove(faultyNames[i])
	if err := os.Symlink(node, faultyNames[i]); err != nil {
		f.t.Fatal(err)
	}
}

func nodeOf(info *devmapper.DeviceInfo) string { return "/dev/dm-" + itoa(int(unix.Minor(info.DevNo))) }

func (f *faulty) unmaps() {
	f.t.Helper()
	for _, name := range faultyNames {
		unmap(f.t, name)
	}
}

// refuses runs a command that must end with 3, and say what went wrong and how
// to continue.
func (f *faulty) refuses(line string, says ...string) {
	f.t.Helper()
	_, complaint := f.run(exitUnknown, line)
	for _, s := range says {
		if !strings.Contains(complaint, s) {
			f.t.Errorf("%s says %q, not %q", line, complaint, s)
		}
	}
}

// nothingLost checks that store and origin together, or the origin alone,
// still show the image.
func (f *faulty) nothingLost(when string) {
	f.t.Helper()
	_ = os.Remove("image")
	var out bytes.Buffer
	line := strings.Fields("dmsnapctl extract faulty-store --origin faulty-origin -o image --best-effort")
	code := run(f.t.Context(), line, streams{in: strings.NewReader(""), out: &out, err: &out})
	if code > exitWarning || !bytes.Equal(f.read("image"), f.shows) {
		f.t.Errorf("%s: extract ends with %d: %s", when, code, &out)
	}
}

// TestWritesThatFail: for each place where a device fails to write, the
// command says how far it got, nothing is lost, and the same command finishes
// when the device works again.
func TestWritesThatFail(t *testing.T) {
	const again = "run it again to finish"
	header, area := fault{storeDisk, 0}, fault{storeDisk, 1}
	for name, test := range map[string]struct {
		damage func([]byte)
		line   string
		bad    []fault
	}{
		"repair":     {damage: staleRecord, line: "repair faulty-store --yes", bad: []fault{area}},
		"reclaim":    {line: "reclaim faulty-store --yes", bad: []fault{{storeDisk, 13}, area}},
		"revalidate": {damage: invalidate, line: "revalidate faulty-store --origin-unchanged --yes", bad: []fault{header}},
		"apply":      {line: "apply faulty-store --to faulty-origin --yes", bad: []fault{{originDisk, 3}, {originDisk, 57}, area, header}},
		"restore":    {line: "restore lines faulty-store --yes", bad: []fault{header, area}},
	} {
		for _, bad := range test.bad {
			t.Run(name+", "+itoa(bad.device)+", "+itoa(int(bad.chunk)), func(t *testing.T) {
				f := newFaulty(t)
				f.run(exitFine, "dump store -o lines")
				if test.damage != nil {
					f.damage(test.damage)
				}
				f.fill()
				unmaps := f.maps(bad)
				f.refuses(test.line, "input/output error", again)
				unmaps()
				unmaps = f.maps()
				defer unmaps()
				f.nothingLost("after the failure")
				f.run(exitFine, test.line)
				f.nothingLost("after the second run")
			})
		}
	}
	t.Run("all writes, by flakey", func(t *testing.T) {
		f := newFaulty(t)
		f.fill()
		f.node(storeDisk, mapped(t, faultyNames[storeDisk], devmapper.FlakeyTable{
			Length: f.bytes[storeDisk], Device: f.disks[storeDisk], DownInterval: 1000, Features: []string{"error_writes"},
		}))
		f.run(exitWarning, "verify faulty-store")
		f.refuses("reclaim faulty-store --yes", "input/output error", again)
		unmap(t, faultyNames[storeDisk])
		defer f.maps()()
		f.nothingLost("after the failure")
		f.run(exitFine, "reclaim faulty-store --yes")
	})
}

// TestThePageCacheIsNoProof: after a failed write the page cache of a device that
// somebody has open still has the new content. The next run reads the device.
func TestThePageCacheIsNoProof(t *testing.T) {
	f := newFaulty(t)
	f.damage(staleRecord)
	f.fill()
	unmaps := f.maps(fault{storeDisk, 1})
	held, err := os.Open(faultyNames[storeDisk])
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.refuses("repair faulty-store --yes", "input/output error", "run it again to finish")
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	unmaps()
	defer f.maps()()
	f.run(exitFine, "repair faulty-store --yes")
	f.nothingLost("after the repair")
}

// TestReadsThatFail: if something cannot be read, a command ends with 3,
// leaves no file, and loses nothing.
func TestReadsThatFail(t *testing.T) {
	f := newFaulty(t)
	f.fill()
	bad := func(device int, chunk uint64, test func()) {
		t.Helper()
		defer f.mapsUnreadable(fault{device, chunk})()
		f.forget()
		test()
	}
	const eio = "input/output error"
	bad(storeDisk, 23, func() { // data of an exception
		for _, line := range []string{"delta faulty-store", "dump faulty-store", "size faulty-store"} {
			f.run(exitFine, line) // reads no data
		}
		f.refuses("extract faulty-store --origin faulty-origin -o out", eio)
		f.refuses("reclaim faulty-store --to out --yes", eio)
		f.refuses("reclaim faulty-store --yes", eio, "run it again")
		f.refuses("apply faulty-store --to faulty-origin --yes", eio, "run it again")
	})
	bad(storeDisk, 1, func() { // the list itself
		for _, line := range []string{"size faulty-store", "delta faulty-store"} {
			f.refuses(line)
		}
		for _, line := range []string{
			"dump faulty-store", "extract faulty-store --origin faulty-origin -o out",
			"reclaim faulty-store --to out --yes", "reclaim faulty-store --yes", "repair faulty-store --yes", "apply faulty-store --to faulty-origin --yes",
		} {
			f.refuses(line, eio)
		}
	})
	bad(originDisk, 50, func() { // what only the origin has
		f.refuses("extract faulty-store --origin faulty-origin -o out", eio)
	})
	bad(originDisk, 57, func() { // what apply overwrites
		f.refuses("apply faulty-store --to faulty-origin --undo out --yes", eio, "nothing was changed")
	})
	if exists("out") {
		t.Error("a command that failed left a file")
	}
	defer f.maps()()
	f.nothingLost("after all failures")
	f.run(exitFine, "apply faulty-store --to faulty-origin --undo out --yes")
	f.nothingLost("after the merge")
}

// forget empties the page cache.
func (f *faulty) forget() {
	f.t.Helper()
	unix.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		f.t.Fatal(err)
	}
}
