//go:build linux && kernel

// COW devices that grow while a log is recorded.

package crash_test

import (
	"fmt"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// TestGrowWhileRecording: the COW device gets another table in the middle of the
// log. From then on commits name chunks beyond its old size, and none did before.
func TestGrowWhileRecording(t *testing.T) {
	r := newRig(t, 512, 1)
	const room = 42 // chunks at first
	start := int(r.stores[0].Start)
	r.snapshots(chunk4K, r.linear("cow0", start, room*chunk4K))
	r.write("/dev/mapper/origin", false, 1, places(0, 30)...)
	r.mark("grown")
	r.dm("load", "cow0", "--table", fmt.Sprintf("0 %d linear /dev/mapper/lw %d", cowSectors, start))
	r.dm("suspend", "cow0")
	r.dm("resume", "cow0")
	r.write("/dev/mapper/origin", false, 1, places(30, 30)...)
	r.write("/dev/mapper/origin", true, 1, places(60, 40)...)
	if allocated, total, _ := r.status("snap0"); total != cowSectors || allocated <= room*chunk4K {
		t.Errorf("%d of %d sectors are allocated, want more than %d of %d", allocated, total, room*chunk4K, cowSectors)
	}
	l := r.log()
	opt := r.options()
	opt.Crashes = 2
	opt.Grown = []crash.Growth{{Region: crash.Region{Start: r.stores[0].Start, Len: room * chunk4K}, Mark: "grown"}}
	report := r.explore(l, opt)
	r.expect(report, false)
	if s := report.SecondCrash; s.States == 0 {
		t.Errorf("second crashes: %+v", *s)
	}
	for _, s := range r.sampleStates(l, 2) {
		a, wrong := r.seen(l, s.State)
		if wrong != 0 || a.allocated != int(s.AllocatedSectors) {
			t.Errorf("state %s: the kernel shows %d wrong chunks, and %d sectors, predicted %d", s.State, wrong, a.allocated, s.AllocatedSectors)
		}
	}
	r.caught(l, opt, lateMark("grown"), crash.BeyondDevice)
	r.caught(l, opt, unflushedCommit(0.7), crash.CopyNotFlushed)

	// A store that is explored in its old size is corrupt once it outgrew that.
	opt.COW, opt.Grown = []crash.Region{opt.Grown[0].Region}, nil
	if report := r.explore(l, opt); report.CorruptStates == 0 {
		t.Errorf("none of %d states of the store in its old size is corrupt", report.States)
	}
}
