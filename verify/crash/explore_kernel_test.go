//go:build linux && kernel

// Writes of the kernel, recorded and explored: with the leak fix no crash does
// any damage; without it chunks leak.

package crash_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

var blockSizes = []int{512, 4096}

// expect compares a report with what this kernel should do in a single crash.
func (r *rig) expect(report *crash.Report, leaksIfLeaky bool) {
	r.t.Helper()
	r.t.Logf("%s kernel, blocks of %d: %d entries, %d commits, %d states (%d distinct), %d leaking, %d stale, %d invalid, worst %+v, coverage %+v, %.3f s",
		r.kind, r.block, report.Entries, report.Commits, report.States, report.Coverage.DistinctStates, report.LeakingStates,
		report.StaleStates, report.AbandonedStates, *report.Worst, report.Coverage, report.Seconds)
	if report.CorruptStates+report.BrokenImageStates+report.LintViolations != 0 {
		r.t.Errorf("%d corrupt states, %d with a broken image, %d violations; first corrupt %+v, first broken %+v, violations %+v",
			report.CorruptStates, report.BrokenImageStates, report.LintViolations, report.FirstCorrupt, report.FirstBroken, report.Violations)
	}
	switch leaks := report.LeakingStates > 0; {
	case leaks && r.kind == allocator.Fixed:
		r.t.Errorf("%d leaking states, first %+v", report.LeakingStates, report.FirstLeak)
	case !leaks && r.kind == allocator.Leaky && leaksIfLeaky:
		r.t.Error("no leaking state on a leaky kernel")
	}
}

// overwrite is the scenario of 300 writes: 200 one after the other, six slow
// ones, 94 at once.
func overwrite(r *rig) *logwrites.Log {
	r.snapshots(chunk4K, r.slowCOW("cow0", 0))
	r.write("/dev/mapper/origin", false, 1, places(0, 200)...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.write("/dev/mapper/origin", true, 1, places(200, 6)...)
	}()
	time.Sleep(50 * time.Millisecond)
	r.write("/dev/mapper/origin", true, 1, places(206, 94)...)
	<-done
	return r.log()
}

// TestOriginOverwrites: the scenario is recorded once for each block size,
// because recording takes longer than judging. It is explored, given back to
// the kernel, and compared with the model.
func TestOriginOverwrites(t *testing.T) {
	for _, block := range blockSizes {
		t.Run(fmt.Sprint(block), func(t *testing.T) {
			r := newRig(t, block, 1)
			l := overwrite(r)
			report := r.explore(l, r.options())
			r.expect(report, true)
			if report.Commits < 200 {
				t.Errorf("%d commits", report.Commits)
			}
			r.kernelAgrees(l, report)
			r.modelAgrees(l)
		})
	}
}

func TestSnapshotWrites(t *testing.T) {
	for _, block := range blockSizes {
		t.Run(fmt.Sprint(block), func(t *testing.T) {
			r := newRig(t, block, 1)
			const chunk = 16 // 8 KiB: a write of 4 KiB is a part of it
			r.snapshots(chunk, r.linear("cow0", int(r.stores[0].Start), cowSectors))
			for round := range 3 {
				r.write("/dev/mapper/snap0", true, 100+round, places(10*round, 30)...)
				r.write("/dev/mapper/origin", true, 200+round, places(5+20*round, 30)...)
			}
			r.expect(r.explore(r.log(), r.options()), false)
		})
	}
}

func TestTwoSnapshots(t *testing.T) {
	for _, block := range blockSizes {
		t.Run(fmt.Sprint(block), func(t *testing.T) {
			r := newRig(t, block, 2)
			r.snapshots(chunk4K, r.slowCOW("cow0", 0), r.linear("cow1", int(r.stores[1].Start), cowSectors))
			r.write("/dev/mapper/origin", false, 1, places(0, 60)...)
			r.write("/dev/mapper/origin", true, 1, places(60, 240)...)
			r.expect(r.explore(r.log(), r.options()), false)
		})
	}
}

func TestMergeCutOff(t *testing.T) {
	for _, block := range blockSizes {
		t.Run(fmt.Sprint(block), func(t *testing.T) {
			r := newRig(t, block, 1)
			cow := r.slowCOW("cow0", 0)
			r.snapshots(chunk4K, cow)
			r.write("/dev/mapper/origin", false, 1, places(0, 200)...)
			r.write("/dev/mapper/origin", true, 1, places(200, 100)...)
			r.merge(cow)
			r.expect(r.explore(r.log(), r.options()), false)
		})
	}
}

// merge merges the snapshot back, and cuts it off half way.
func (r *rig) merge(cow string) {
	r.t.Helper()
	before, _, _ := r.status("snap0")
	r.dm("load", "snap0", "--table", fmt.Sprintf("0 %d error", originSectors))
	r.dm("load", "origin", "--table", fmt.Sprintf("0 %d snapshot-merge /dev/mapper/real %s P %d", originSectors, cow, chunk4K))
	r.dm("suspend", "origin")
	r.dm("suspend", "snap0")
	r.dm("resume", "origin") // takes over the exceptions of the old snapshot
	r.dm("resume", "snap0")
	waitFor(r.t, "the merge to get half way", func() bool {
		var allocated, total, metadata int
		line := r.dm("status", "origin")
		if _, err := fmt.Sscanf(line, "0 16384 snapshot-merge %d/%d %d", &allocated, &total, &metadata); err != nil {
			r.t.Fatalf("status of the merge is %q: %v", line, err)
		}
		return allocated < before/2
	})
}
