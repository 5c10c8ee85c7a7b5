//go:build linux && kernel

// The features of snapshots that concern discards.

package crash_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// discard discards chunks of a device, each by itself.
func (r *rig) discard(path string, chunks ...int) {
	r.t.Helper()
	for _, chunk := range chunks {
		run(r.t, "blkdiscard", "--force", "--offset", strconv.Itoa(chunk*4096), "--length", "4096", path)
	}
}

// TestDiscardZeroesCOW: a discard of the snapshot fills chunks that have an
// exception with zeros, and does nothing to others. In each state a chunk of the
// snapshot is whole or discarded.
func TestDiscardZeroesCOW(t *testing.T) {
	r := newRig(t, 512, 1)
	r.snapshotsOf(fmt.Sprintf("P %d 1 discard_zeroes_cow", chunk4K), r.linear("cow0", int(r.stores[0].Start), cowSectors))
	r.write("/dev/mapper/origin", false, 1, places(0, 30)...)
	r.discard("/dev/mapper/snap0", append(places(10, 5), places(100, 5)...)...)
	r.write("/dev/mapper/origin", false, 2, places(12, 10)...)
	r.write("/dev/mapper/origin", false, 1, places(30, 10)...)
	want := bytes.Clone(r.base[:originSectors*512])
	clear(want[10*4096 : 15*4096])
	if !bytes.Equal(readDirect(t, "/dev/mapper/snap0", len(want)), want) {
		t.Error("the snapshot is not the frozen image with five chunks of zeros")
	}
	l := r.log()
	opt := r.options()
	opt.SnapshotWritten = true
	r.expect(r.explore(l, opt), false)
	r.caught(l, opt, unflushedCommit(0.5), crash.CopyNotFlushed)

	opt.SnapshotWritten, opt.ReadOnlySnapshot = false, true
	if report := r.explore(l, opt); report.BrokenImageStates == 0 {
		t.Error("discarded chunks of a snapshot that nobody writes to are no damage")
	}
}

// TestDiscardPassdown: a discard of the snapshot also reaches the origin, without
// a copy. That is damage unless it is asserted, and what the origin still holds
// is copied as before.
func TestDiscardPassdown(t *testing.T) {
	r := newRig(t, 512, 1)
	r.snapshotsOf(fmt.Sprintf("P %d 2 discard_zeroes_cow discard_passdown_origin", chunk4K), r.linear("cow0", int(r.stores[0].Start), cowSectors))
	r.write("/dev/mapper/origin", false, 1, places(0, 20)...)
	r.discard("/dev/mapper/snap0", places(10, 20)...)
	r.mark("discarded")
	r.write("/dev/mapper/origin", false, 2, places(5, 40)...)
	want := bytes.Clone(r.base[:originSectors*512])
	clear(want[10*4096 : 30*4096])
	got := readDirect(t, "/dev/mapper/snap0", len(want))
	ignored := bytes.Clone(want) // by a disk: the chunks that no exception names
	copy(ignored[20*4096:30*4096], r.base[20*4096:])
	if !bytes.Equal(got, want) && !bytes.Equal(got, ignored) {
		t.Error("the snapshot is not the frozen image with twenty chunks of zeros")
	}
	l := r.log()
	passed := 0
	for _, e := range l.Entries() {
		if e.Flags&logwrites.Discard != 0 && e.Sector < originSectors {
			passed++
		}
	}
	if passed < 20 {
		t.Errorf("%d discards reached the origin, want 20", passed)
	}
	opt := r.options()
	opt.SnapshotWritten, opt.DiscardsPassedDown = true, true
	r.expect(r.explore(l, opt), false)
	r.caught(l, opt, unflushedCommit(0.9), crash.CopyNotFlushed)

	opt.DiscardsPassedDown = false
	report := r.explore(l, opt)
	early := func(v crash.Violation) bool { return v.Rule == crash.WriteBeforeCommit }
	if report.BrokenImageStates == 0 || !slices.ContainsFunc(report.Violations, early) {
		t.Errorf("discards that nobody asserts are no damage: %d states with a broken image, violations %+v", report.BrokenImageStates, report.Violations)
	}
}
