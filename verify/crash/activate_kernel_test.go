//go:build linux && kernel

// States given back to the kernel: it must report the same about them as the
// explorer.

package crash_test

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// activated is what the kernel reports about a state.
type activated struct {
	allocated, total, metadata int
	image                      []byte // the whole snapshot
}

// activate writes a state to the replay disk and lets the kernel activate its
// snapshot.
func (r *rig) activate(l *logwrites.Log, state string) activated {
	r.t.Helper()
	r.stage(l, state)
	o := r.create("replay-real", fmt.Sprintf("0 %d linear %s 0", originSectors, r.replay))
	c := r.create("replay-cow", fmt.Sprintf("0 %d linear %s %d", cowSectors, r.replay, r.stores[0].Start))
	r.create("replay-snap", fmt.Sprintf("0 %d snapshot %s %s P %d", originSectors, o, c, chunk4K))
	var a activated
	a.allocated, a.total, a.metadata = r.status("replay-snap")
	a.image = readDirect(r.t, "/dev/mapper/replay-snap", originSectors*512)
	r.remove("replay-snap", "replay-cow", "replay-real")
	return a
}

// stage puts a state on the replay disk.
func (r *rig) stage(l *logwrites.Log, text string) {
	r.t.Helper()
	state, err := crash.ParseState(text)
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := crash.NewOverlay(l, state, bytes.NewReader(r.base), int64(len(r.base)))
	if err != nil {
		r.t.Fatal(err)
	}
	if state.Again != nil {
		if err := o.Continue(r.kind, r.options().Origin, r.stores[0], *state.Again); err != nil {
			r.t.Fatal(err)
		}
	}
	image := make(memory, r.stores[0].Start*512+usedBytes)
	if err := o.WriteTo(image); err != nil {
		r.t.Fatal(err)
	}
	writeDirect(r.t, r.replay, 0, image)
}

// usedBytes is how much of a store the recordings here write, with a good
// margin. The rest stays zeros.
const usedBytes = 3 << 20

// memory is a device of its length; it reads as zeros after that.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, fmt.Errorf("a write of %d bytes at %d, beyond the %d that are used", len(p), off, len(m))
	}
	return copy(m[off:], p), nil
}

// kernelAgrees activates sampled states and reads them in full. The kernel's
// status has the explorer's numbers, and its image is the frozen one. On a
// leaky kernel the first leaking state loses what was predicted.
func (r *rig) kernelAgrees(l *logwrites.Log, report *crash.Report) {
	r.t.Helper()
	for _, s := range r.sampleStates(l, 8) {
		a := r.activate(l, s.State)
		if a.allocated != int(s.AllocatedSectors) || a.total != cowSectors {
			r.t.Errorf("state %s: the kernel says %d/%d sectors, predicted %d/%d", s.State, a.allocated, a.total, s.AllocatedSectors, cowSectors)
		}
		if !bytes.Equal(a.image, r.base[:len(a.image)]) {
			r.t.Errorf("state %s: the kernel's image is not the frozen one", s.State)
		}
	}
	if r.kind != allocator.Leaky {
		return
	}
	first := report.FirstLeak
	if first == nil {
		r.t.Fatal("no leaking state on a leaky kernel")
	}
	a := r.activate(l, first.State)
	// What the status counts as allocated, without metadata, and no exception
	// names.
	lost := uint64(a.allocated-a.metadata)/chunk4K - r.exceptions(l, first.State)
	if lost != first.LeakedChunks || a.allocated != int(first.AllocatedSectors) {
		r.t.Errorf("state %s: the kernel lost %d chunks (%d sectors allocated), predicted %d (%d)", first.State, lost, a.allocated, first.LeakedChunks, first.AllocatedSectors)
	}
	if !bytes.Equal(a.image, r.base[:len(a.image)]) {
		r.t.Errorf("state %s: the kernel's image is not the frozen one", first.State)
	}
	r.t.Logf("state %s: %d chunks lost, as predicted; the kernel says %d/%d %d", first.State, lost, a.allocated, a.total, a.metadata)
}

// exceptions counts the exceptions of the store on the replay disk, chunk by
// chunk, as the kernel would read them.
func (r *rig) exceptions(l *logwrites.Log, text string) uint64 {
	r.t.Helper()
	state, err := crash.ParseState(text)
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := crash.NewOverlay(l, state, bytes.NewReader(r.base), int64(len(r.base)))
	if err != nil {
		r.t.Fatal(err)
	}
	g, err := cow.NewGeometry(chunk4K)
	if err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, g.ChunkBytes())
	for area, n := uint64(0), uint64(0); ; area++ {
		if _, err := o.ReadAt(buf, int64(r.stores[0].Start)*512+int64(g.RecordOffset(area, 0))); err != nil {
			r.t.Fatal(err)
		}
		for _, e := range cow.Exceptions(buf) {
			if e.Terminates() {
				return n
			}
			n++
		}
	}
}

// sampleStates are states spread over a log, with the explorer's results for
// each.
func (r *rig) sampleStates(l *logwrites.Log, n int) []crash.Failure {
	r.t.Helper()
	var all []crash.Failure
	opt := r.options()
	opt.Visit = func(s crash.Judged) {
		if s.Valid {
			all = append(all, crash.Failure{State: s.State().String(), AllocatedSectors: s.AllocatedSectors, LeakedChunks: s.LeakedChunks})
		}
	}
	r.explore(l, opt)
	if len(all) < n {
		r.t.Fatalf("%d states", len(all))
	}
	var sampled []crash.Failure
	for i := range n {
		sampled = append(sampled, all[(2*i+1)*len(all)/(2*n)])
	}
	return slices.Clip(sampled)
}

// modelAgrees passes the copies of a log through the model, in the order in
// which they finished. The model must commit what the kernel committed, byte
// for byte.
func (r *rig) modelAgrees(l *logwrites.Log) {
	r.t.Helper()
	compared, err := crash.ReplayThroughModel(l, r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	if compared < 200 {
		r.t.Errorf("%d commits were compared", compared)
	}
	r.t.Logf("%s kernel: %d commits are the model's, byte for byte", r.kind, compared)
}
