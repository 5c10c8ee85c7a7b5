//go:build linux && kernel

// Stores that are full, and a transient snapshot beside a persistent one.

package crash_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// writeError writes 4 KiB and returns the error.
func (r *rig) writeError(path string, place int) error {
	r.t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	buf := blockdev.AlignedBuffer(4096)
	fill(buf, place, 99)
	_, err = f.WriteAt(buf, int64(place)*4096)
	return err
}

// TestOverflow: a store of the kind PO is full. A write through the snapshot that
// finds no room fails, and the store is valid in every state. A store of the kind
// P is invalidated by that write, and both kinds are by a write to the origin.
func TestOverflow(t *testing.T) {
	for _, test := range []struct {
		kind, writer string
		fails        bool
		status       string
		invalid      bool // some states
	}{
		{"PO", "snap0", true, "Overflow", false},
		{"P", "snap0", true, "Invalid", true},
		{"PO", "origin", false, "Invalid", true},
	} {
		t.Run(test.kind+"/"+test.writer, func(t *testing.T) {
			r := newRig(t, 512, 1)
			const room = 42 // chunks: 40 of data
			cowDev := r.linear("cow0", int(r.stores[0].Start), room*chunk4K)
			r.stores[0].Len = room * chunk4K
			r.snapshotsOf(fmt.Sprintf("%s %d", test.kind, chunk4K), cowDev)
			r.write("/dev/mapper/origin", false, 1, places(0, 20)...)
			r.write("/dev/mapper/snap0", false, 2, places(10, 30)...)
			if allocated, total, _ := r.status("snap0"); allocated != total {
				t.Fatalf("%d of %d sectors are allocated, want all", allocated, total)
			}
			if err := r.writeError("/dev/mapper/"+test.writer, 50); (err != nil) != test.fails || err != nil && !errors.Is(err, syscall.EIO) {
				t.Errorf("the write that finds no room: %v", err)
			}
			if line := r.dm("status", "snap0"); !strings.HasSuffix(strings.TrimSpace(line), " "+test.status) {
				t.Errorf("status %q, want %s", line, test.status)
			}
			r.write("/dev/mapper/origin", false, 3, places(0, 5)...) // which need no room
			l := r.log()
			opt := r.options()
			opt.SnapshotWritten = true
			report := r.explore(l, opt)
			if (report.AbandonedStates > 0) != test.invalid {
				t.Errorf("%d of %d states are invalid", report.AbandonedStates, report.States)
			}
			if test.invalid {
				return
			}
			r.expect(report, false)
			for _, s := range r.sampleStates(l, 2) {
				if a := r.activate(l, s.State); a.allocated != int(s.AllocatedSectors) {
					t.Errorf("state %s: the kernel says %d sectors, predicted %d", s.State, a.allocated, s.AllocatedSectors)
				}
			}
			r.caught(l, opt, unflushedCommit(0.2), crash.CopyNotFlushed)
			r.caught(l, opt, unflushedCommit(0.9), crash.CopyNotFlushed) // of a write to the snapshot
		})
	}
}

// TestTransientBesidePersistent: a transient snapshot of the same origin is full
// half way. The persistent one is whole in every state, and the transient one's
// region holds no store.
func TestTransientBesidePersistent(t *testing.T) {
	r := newRig(t, 512, 2)
	const room = 64 // chunks of the transient store, all of them data
	o := r.linear("real", 0, originSectors)
	transient := r.linear("cow0", int(r.stores[0].Start), room*chunk4K)
	persistent := r.linear("cow1", int(r.stores[1].Start), cowSectors)
	r.mark("frozen")
	r.create("snap0", fmt.Sprintf("0 %d snapshot %s %s N %d", originSectors, o, transient, chunk4K))
	r.create("snap1", fmt.Sprintf("0 %d snapshot %s %s P %d", originSectors, o, persistent, chunk4K))
	r.create("origin", fmt.Sprintf("0 %d snapshot-origin %s", originSectors, o))
	r.write("/dev/mapper/snap0", false, 5, places(300, 10)...)
	r.write("/dev/mapper/origin", false, 1, places(0, 40)...)
	if line := r.dm("status", "snap0"); strings.Contains(line, "Invalid") {
		t.Fatalf("the transient snapshot is lost before its store is full: %q", line)
	}
	r.write("/dev/mapper/origin", true, 1, places(40, 100)...)
	r.write("/dev/mapper/origin", false, 1, places(140, 20)...)
	if line := r.dm("status", "snap0"); !strings.Contains(line, "Invalid") {
		t.Errorf("the transient snapshot has a full store: %q", line)
	}
	l := r.log()
	both := r.options()
	if _, err := crash.Explore(t.Context(), l, both); !errors.Is(err, crash.ErrNoStore) {
		t.Errorf("a transient store is taken for a persistent one: %v", err)
	}
	r.stores = r.stores[1:]
	report := r.explore(l, r.options())
	r.expect(report, false)
	if report.Commits < 60 || report.AbandonedStates > 0 {
		t.Errorf("%d commits, %d invalid states", report.Commits, report.AbandonedStates)
	}
	for _, s := range r.sampleStates(l, 2) {
		if _, wrong := r.seen(l, s.State); wrong != 0 {
			t.Errorf("state %s: the kernel shows %d chunks that are not the frozen ones", s.State, wrong)
		}
	}
	r.caught(l, r.options(), unflushedCommit(0.3), crash.CopyNotFlushed)
	r.caught(l, r.options(), earlyWrite(0.3), crash.WriteBeforeCommit)
}
