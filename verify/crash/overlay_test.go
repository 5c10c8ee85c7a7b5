package crash

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// asVerified is the judge's report on the store of a state, read through an
// overlay.
func asVerified(t testing.TB, o *Overlay, store, origin Region) *verify.Report {
	t.Helper()
	section := io.NewSectionReader(o, int64(store.Start)*cow.SectorSize, int64(store.Len)*cow.SectorSize)
	r, err := verify.Verify(context.Background(), section, section.Size(), verify.Options{OriginBytes: int64(origin.Len) * cow.SectorSize})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestExplorerAgreesWithTheJudge: for all states of a log, the explorer's
// incremental results equal those of verify on the state, read through an
// overlay, and those of reading the snapshot chunk by chunk.
func TestExplorerAgreesWithTheJudge(t *testing.T) {
	for _, c := range []struct {
		kernel allocator.Kernel
		fault  fault
		at     int
		dirty  bool // the first area contains another store's exceptions
		// 1 to forget everything durable after each epoch.
		forgets int
	}{
		{allocator.Fixed, noFault, 0, false, 0}, {allocator.Leaky, noFault, 0, false, 1}, {allocator.Fixed, noFault, 0, true, 1},
		{allocator.Fixed, writeTooEarly, 30, false, 0}, {allocator.Fixed, writeTooEarly, 30, false, 1}, {allocator.Leaky, noFlush, 0, false, 1},
		{allocator.Fixed, commitTooEarly, 5, false, 1}, {allocator.Fixed, noZeroing, 0, false, 0}, {allocator.Fixed, noZeroing, 0, false, 1},
	} {
		m := newMachine(t, 512, 2, 128, 512)
		m.put(m.cowBlock(m.g.AreaChunk(1)), m.pattern(7, 7)) // garbage, where the second area will be
		if c.dirty {
			var dirt []byte
			for k := range uint64(20) {
				dirt = cow.Exception{Old: cow.Chunk(100 + k), New: m.g.DataChunk(k)}.AppendTo(dirt)
			}
			m.put(m.cowBlock(m.g.AreaChunk(0)), append(dirt, make([]byte, m.ss-uint64(len(dirt)))...))
		}
		base := m.image()
		m.fault, m.faulty = c.fault, c.at
		m.create(c.kernel)
		m.overwrite(chunks(0, 10)...)
		m.overwriteAtOnce(4, chunks(20, 70)...)
		m.end()
		opt := m.options(base)
		opt.cells = -c.forgets
		log := openBytes(t, logBytes(t, 512, m.log))
		checked, broken := 0, 0
		everyState(t, log, opt, func(v *visitor) {
			if checked++; checked > 100 && checked%11 != 0 { // reading each state in full would take minutes
				return
			}
			name := v.epoch.name()
			parsed, err := ParseState(name.String())
			if err != nil {
				t.Fatal(err)
			}
			o, err := NewOverlay(log, parsed, opt.Base, opt.BaseSize)
			if err != nil {
				t.Fatal(err)
			}
			compareVerdicts(t, name, v.stores[0], asVerified(t, o, m.cow, m.origin))
			comparePlaces(t, v, o)
			if d := v.stores[0].verdict(); d.state == valid && !d.corrupt {
				if got := brokenByHand(t, m, o, base); got != d.broken {
					t.Fatalf("%s, %q, state %v: %d broken chunks, reading finds %d", c.kernel, c.fault, name, d.broken, got)
				}
				broken += d.broken
			}
		})
		if expected := c.fault != noFault && c.fault != noZeroing || c.dirty; checked < 1000 || expected != (broken > 0) {
			t.Errorf("%s, %q: %d states, %d broken chunks in them", c.kernel, c.fault, checked, broken)
		}
	}
}

// brokenByHand reads the snapshot chunk by chunk, as the kernel would, and
// counts the chunks that differ from the frozen image.
func brokenByHand(t *testing.T, m *machine, o *Overlay, frozen []byte) int {
	t.Helper()
	size := uint64(m.g.ChunkBytes())
	at := map[cow.Chunk]cow.Chunk{}
	buf := make([]byte, size)
	read := func(offset uint64) {
		if _, err := o.ReadAt(buf, int64(offset)); err != nil {
			t.Fatal(err)
		}
	}
	store := uint64(m.cow.Start) * cow.SectorSize
	for area, more := uint64(0), true; more; area++ {
		read(store + m.g.RecordOffset(area, 0))
		for _, e := range cow.Exceptions(buf) {
			if more = !e.Terminates(); !more {
				break
			}
			if _, known := at[e.Old]; !known {
				at[e.Old] = e.New
			}
		}
	}
	broken := 0
	for c := range uint64(m.originChunks) {
		offset := c * size
		if to, copied := at[cow.Chunk(c)]; copied {
			offset = store + uint64(to)*size
		}
		if read(offset); !bytes.Equal(buf, frozen[c*size:(c+1)*size]) {
			broken++
		}
	}
	return broken
}

// everyState explores a log and calls visit in each state.
func everyState(t testing.TB, l *logwrites.Log, opt Options, visit func(*visitor)) {
	t.Helper()
	x, err := survey(context.Background(), l, &opt)
	if err != nil {
		t.Fatal(err)
	}
	ground, err := newExplorer(x.history, x.opt, x.facts)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{visitor: newVisitor(ground, func(uint64) {})}
	opt.Visit = func(Judged) { visit(w.visitor) }
	if err := w.work(item{first: x.firstEpoch(), end: len(x.epochs), part: part{0, 1}}); err != nil {
		t.Fatal(err)
	}
}

func compareVerdicts(t *testing.T, name State, s *store, r *verify.Report) {
	t.Helper()
	d := s.verdict()
	if d.state == absent {
		lost := r.Counts[verify.HeaderLost] > 0 // old areas, which the kernel does not look at
		if r.Verdict != verify.Empty && r.Verdict != verify.Unrecognized && !lost {
			t.Fatalf("%v: no store, and the judge says %s", name, r.Verdict)
		}
		return
	}
	if d.leaked != r.Leaks.Chunks || d.stale != r.Counts[verify.StaleRecord] || d.corrupt != (r.Verdict == verify.Corrupt) {
		t.Fatalf("%v: %+v, and the judge says %s, leaked %d, %v", name, d, r.Verdict, r.Leaks.Chunks, r.Counts)
	}
	if got, want := s.allocated(), r.Usage.AllocatedSectors; got != want {
		t.Fatalf("%v: allocated %d sectors, and the judge says %d", name, got, want)
	}
}

// comparePlaces compares every block that the explorer tracks with the
// overlay.
func comparePlaces(t *testing.T, v *visitor, o *Overlay) {
	t.Helper()
	buf := make([]byte, v.layout.blockBytes)
	for block, c := range v.cells {
		if err := o.readBlock(buf, block); err != nil {
			t.Fatal(err)
		}
		if got := idOf(buf); got != v.content[c] {
			t.Fatalf("%v: block %d differs between explorer and overlay", v.epoch.name(), block)
		}
	}
}

// TestSecondCrash: a torn commit leaves records after the terminator. When the
// list grows up to them, they become valid and name chunks twice.
func TestSecondCrash(t *testing.T) {
	m := newMachine(t, 512, 8, 1024, 1024)
	base := m.image()
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 20)...)
	m.overwriteAtOnce(0, chunks(20, 60)...) // one commit over three blocks
	m.end()
	opt := m.options(base)
	opt.Crashes = 2
	log := openBytes(t, logBytes(t, 512, m.log))
	r, err := Explore(context.Background(), log, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.FirstFailure != nil || r.StaleStates == 0 {
		t.Errorf("after the first crash: %+v, %d stale states", r.FirstFailure, r.StaleStates)
	}
	c := r.SecondCrash
	if c == nil || c.Corrupt == 0 || c.FirstFailure == nil || c.FirstCorrupt == nil || c.Broken == 0 || c.FirstBroken == nil {
		t.Fatalf("second crash: %+v", c)
	}
	state, err := ParseState(c.FirstCorrupt.State)
	if err != nil {
		t.Fatal(err)
	}
	after := func(done FollowUp) verify.Verdict {
		o, err := NewOverlay(log, state, opt.Base, opt.BaseSize)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Continue(allocator.Fixed, m.origin, m.cow, done); err != nil {
			t.Fatal(err)
		}
		return asVerified(t, o, m.cow, m.origin).Verdict
	}
	if got := after(FollowUp{}); got != verify.Stale {
		t.Errorf("after the first crash the store is %s", got)
	}
	if got := after(FollowUp{Stale: state.Again.Stale, Commits: state.Again.Commits - 1}); got != verify.Stale {
		t.Errorf("one exception earlier the store is %s", got)
	}
	if got := after(*state.Again); got != verify.Corrupt {
		t.Errorf("after the second crash the store is %s", got)
	}
}

// TestOverlayWritesOut: the file has the bytes that are read through the
// overlay.
func TestOverlayWritesOut(t *testing.T) {
	entries := append(few(512), scripted{logwrites.Entry{Sector: 9, Sectors: 1, Flags: logwrites.Discard}, nil})
	l := openBytes(t, logBytes(t, 512, entries))
	base := bytes.Repeat([]byte{'x'}, 64*512)
	s, err := ParseState("1+2:0,6")
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOverlay(l, s, bytes.NewReader(base), int64(len(base)))
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(base)
	copy(want[8*512:], filled(512, 1, 'a'))
	copy(want[9*512:], filled(512, 1, 0))
	copy(want[16*512:], filled(512, 1, 'b'))
	out := make(sink, len(base))
	if err := o.WriteTo(out); err != nil {
		t.Fatal(err)
	}
	if o.Size() != int64(len(base)) || !bytes.Equal(out, want) {
		t.Errorf("size %d; the bytes differ: %t", o.Size(), !bytes.Equal(out, want))
	}
	for _, wrong := range []string{"8", "1+7", "1+2:1"} {
		s, err := ParseState(wrong)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewOverlay(l, s, nil, 0); err == nil {
			t.Errorf("state %s of a log of %d entries was taken", wrong, l.Len())
		}
	}
}

type sink []byte

func (s sink) WriteAt(p []byte, off int64) (int, error) { return copy(s[off:], p), nil }
