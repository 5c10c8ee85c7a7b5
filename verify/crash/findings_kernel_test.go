//go:build linux && kernel

// Suspected bugs of current kernels, each with the state that shows it, given
// back to the kernel. docs/crash-findings.md describes them.

package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// seen makes the kernel activate a state, and counts the chunks of the image
// that differ from the frozen one.
func (r *rig) seen(l *logwrites.Log, state string) (a activated, wrong int) {
	r.t.Helper()
	a = r.activate(l, state)
	for i := 0; i < len(a.image); i += chunk4K * 512 {
		if !bytes.Equal(a.image[i:i+chunk4K*512], r.base[i:i+chunk4K*512]) {
			wrong++
		}
	}
	return a, wrong
}

// row is a line of the table that vagrant/remedies.sh prints of several kernels.
func (r *rig) row(what string, bad, of uint64) {
	r.t.Helper()
	r.t.Logf("table: %s: %d: %d", what, bad, of)
}

// firstBroken returns the first state with a broken image. The kernel with the
// remedies must have none, and all others must have one.
func (r *rig) firstBroken(report *crash.Report) *crash.Failure {
	r.t.Helper()
	r.t.Logf("%s kernel: of %d states %d have a broken image, %d are corrupt, %d leak", r.kind, report.States, report.BrokenImageStates, report.CorruptStates, report.LeakingStates)
	switch f := report.FirstBroken; {
	case r.kind == allocator.Mended && report.FirstFailure != nil:
		r.t.Errorf("a mended kernel left %+v", *report.FirstFailure)
	case r.kind != allocator.Mended && f == nil:
		r.t.Fatal("no state with a broken image")
	case r.kind != allocator.Mended:
		return f
	}
	return nil
}

// TestInvalidationIsNotFlushed: the store is full, and the next write to the
// origin invalidates the snapshot. The header that says so is written and not
// flushed, and the origin changes. After a crash the store can look valid,
// although the origin is no longer the frozen one.
func TestInvalidationIsNotFlushed(t *testing.T) {
	r := newRig(t, 512, 1)
	const room = 42 // chunks: 40 of data
	r.snapshots(chunk4K, r.linear("cow0", int(r.stores[0].Start), room*chunk4K))
	r.stores[0].Len = room * chunk4K
	r.write("/dev/mapper/origin", false, 1, places(0, 45)...)
	l := r.log()
	r.keepFinding("invalidation", l)
	report := r.explore(l, r.options())
	if report.AbandonedStates == 0 {
		t.Error("no state in which the snapshot is invalid")
	}
	r.row("invalidation, states with a wrong image", report.BrokenImageStates, report.States)
	f := r.firstBroken(report)
	if f == nil {
		return
	}
	for i := max(0, f.Entry-6); i <= f.Entry; i++ {
		t.Logf("entry %d: %v", i, l.Entry(i))
	}
	a, wrong := r.seen(l, f.State)
	t.Logf("state %s: %s; the kernel activates it with %d/%d sectors and shows %d chunks that are not the frozen ones", f.State, f.Why, a.allocated, a.total, wrong)
	if wrong == 0 {
		t.Error("the kernel's image is the frozen one")
	}
}

// TestCreationIsNotFlushed: the header of a new store is written, then its
// first area is zeroed; neither is flushed. If the disk contained exceptions
// before, a crash can leave a valid header in front of them.
func TestCreationIsNotFlushed(t *testing.T) {
	r := newDirtyRig(t)
	r.snapshots(chunk4K, r.linear("cow0", int(r.stores[0].Start), cowSectors))
	r.write("/dev/mapper/origin", false, 1, places(0, 3)...)
	l := r.log()
	r.keepFinding("creation", l)
	report := r.explore(l, r.options())
	r.row("creation, states with a wrong image", report.BrokenImageStates, report.States)
	f := r.firstBroken(report)
	if f == nil {
		r.row("creation, wrong chunks on the kernel", 0, originSectors/chunk4K)
		return
	}
	for i := range f.Entry + 3 {
		t.Logf("entry %d: %v", i, l.Entry(i))
	}
	a, wrong := r.seen(l, f.State)
	t.Logf("state %s: %s; the kernel activates it with %d/%d sectors and shows %d chunks that are not the frozen ones", f.State, f.Why, a.allocated, a.total, wrong)
	r.row("creation, wrong chunks on the kernel", uint64(wrong), originSectors/chunk4K)
	if wrong == 0 {
		t.Error("the kernel's image is the frozen one")
	}
}

// newDirtyRig is a rig whose COW device contained another store before. Its
// first chunk was zeroed, as by LVM.
func newDirtyRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, 512, 1)
	r.removeAll()
	g, err := cow.NewGeometry(chunk4K)
	if err != nil {
		t.Fatal(err)
	}
	var dirt []byte
	for k := range uint64(20) {
		dirt = cow.Exception{Old: cow.Chunk(100 + k), New: g.DataChunk(k)}.AppendTo(dirt)
	}
	store := int(r.stores[0].Start) * 512
	copy(r.base[store+int(g.RecordOffset(0, 0)):], dirt)
	writeDirect(t, r.data, int64(store), r.base[store:store+4*chunk4K*512])
	r.create("lw", fmt.Sprintf("0 %d log-writes %s %s", len(r.base)/512, r.data, r.logDisk))
	return r
}

// TestTornCommitComesAlive: a torn commit leaves records after the terminator.
// The kernel keeps them in its memory and writes them back with each commit.
// When the list has grown up to them they count again, and name chunks that
// have been allocated again.
func TestTornCommitComesAlive(t *testing.T) {
	r := newRig(t, 512, 1)
	// The copy of exception 20 is late: the later ones are committed with it,
	// in one commit over four blocks of the area.
	r.snapshots(chunk4K, r.slowPiece("cow0", 0, 22*chunk4K, chunk4K))
	r.write("/dev/mapper/origin", false, 1, places(0, 20)...)
	r.write("/dev/mapper/origin", true, 1, places(20, 100)...)
	l := r.log()
	r.keepFinding("torn", l)
	opt := r.options()
	opt.Crashes = 2
	report := r.explore(l, opt)
	s := report.SecondCrash
	t.Logf("%s kernel: of %d second crashes %d are corrupt, %d have a broken image", r.kind, s.States, s.Corrupt, s.Broken)
	r.row("torn commit, states bad after one crash", report.CorruptStates+report.BrokenImageStates, report.States)
	r.row("torn commit, corrupt after two crashes", s.Corrupt, s.States)
	r.row("torn commit, wrong image after two crashes", s.Broken, s.States)
	if r.kind == allocator.Mended {
		if s.States == 0 || s.Bad() || report.FirstFailure != nil || report.StaleStates == 0 {
			t.Errorf("a mended kernel left %d stale states, after two crashes %+v", report.StaleStates, *s)
		}
		r.goOnInKernel(l, r.staleState(l)+"/12")
		return
	}
	if report.FirstCorrupt != nil || s.FirstCorrupt == nil || s.FirstBroken == nil {
		t.Fatalf("after one crash %+v, after two %+v, broken %+v", report.FirstCorrupt, s.FirstCorrupt, s.FirstBroken)
	}
	a, wrong := r.seen(l, s.FirstBroken.State)
	t.Logf("state %s: %s; the kernel activates it with %d/%d sectors and shows %d chunks that are not the frozen ones", s.FirstBroken.State, s.FirstBroken.Why, a.allocated, a.total, wrong)
	if wrong == 0 {
		t.Error("the kernel's image is the frozen one")
	}
	r.goOnInKernel(l, s.FirstCorrupt.State)
}

// staleState returns the first state with records after the terminator.
func (r *rig) staleState(l *logwrites.Log) (state string) {
	r.t.Helper()
	opt := r.options()
	opt.Visit = func(j crash.Judged) {
		if state == "" && j.StaleRecords > 0 {
			state = j.State().String()
		}
	}
	r.explore(l, opt)
	return state
}

// goOnInKernel activates what the first crash left, makes the kernel itself
// take the further exceptions, and compares the resulting store with the
// model's.
func (r *rig) goOnInKernel(l *logwrites.Log, text string) {
	r.t.Helper()
	state, err := crash.ParseState(text)
	if err != nil {
		r.t.Fatal(err)
	}
	first := state
	first.Again = nil
	r.stage(l, first.String())
	predicted, err := crash.NewOverlay(l, state, bytes.NewReader(r.base), int64(len(r.base)))
	if err != nil {
		r.t.Fatal(err)
	}
	touched, err := predicted.ContinueTold(r.kind, r.options().Origin, r.stores[0], *state.Again)
	if err != nil {
		r.t.Fatal(err)
	}
	o := r.create("replay-real", fmt.Sprintf("0 %d linear %s 0", originSectors, r.replay))
	c := r.create("replay-cow", fmt.Sprintf("0 %d linear %s %d", cowSectors, r.replay, r.stores[0].Start))
	r.create("replay-snap", fmt.Sprintf("0 %d snapshot %s %s P %d", originSectors, o, c, chunk4K))
	r.create("replay-origin", fmt.Sprintf("0 %d snapshot-origin %s", originSectors, o))
	for _, chunk := range touched {
		r.write("/dev/mapper/replay-origin", false, 9, int(chunk))
	}
	r.remove("replay-origin", "replay-snap", "replay-cow", "replay-real")

	g, err := cow.NewGeometry(chunk4K)
	if err != nil {
		r.t.Fatal(err)
	}
	area := int(r.stores[0].Start)*512 + int(g.RecordOffset(0, 0))
	got := readDirect(r.t, r.replay, area+int(g.ChunkBytes()))[area:]
	want := make([]byte, len(got))
	if _, err := predicted.ReadAt(want, int64(area)); err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		r.t.Errorf("state %s: the kernel's area is not the one predicted", text)
	}
	r.t.Logf("state %s: after %d writes the kernel's area is the predicted one, byte for byte", text, len(touched))
}

// TestReproducers: the script of docs/crash-findings.md shows each finding with
// dmsetup alone, and none on the kernel with the remedies.
func TestReproducers(t *testing.T) {
	d := disks(t)
	kind := kernelKind(t)
	for _, finding := range []string{"invalidation", "creation", "torn"} {
		out, err := exec.Command("bash", "../../docs/examples/crash/reproduce.sh", finding, d[0], d[1], d[2]).CombinedOutput()
		var exit *exec.ExitError
		switch reproduced := err == nil; {
		case err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1):
			t.Errorf("%s: %v\n%s", finding, err, out)
		case reproduced == (kind == allocator.Mended):
			t.Errorf("%s on a %s kernel: reproduced %v\n%s", finding, kind, reproduced, out)
		default:
			t.Logf("%s kernel: %s", kind, out)
		}
	}
}
