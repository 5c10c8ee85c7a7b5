package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// tower is a machine with one more logged device, on top of the origin or of
// the snapshot.
type tower struct {
	*machine
	view View
	up   []scripted
	wait []scripted              // above: plain writes that no flush has logged yet
	at   map[cow.Chunk]cow.Chunk // exceptions
	base []byte
}

func newTower(t testing.TB, view View, chunk cow.Sectors) *tower {
	w := &tower{machine: newMachine(t, 512, chunk, 16, 128), view: view, at: map[cow.Chunk]cow.Chunk{}}
	w.base = w.image()
	w.create(allocator.Fixed)
	w.model.Committed = nil
	w.machine.flush()
	w.machine.mark("frozen")
	return w
}

// put writes a chunk of the device on top.
func (w *tower) put(c cow.Chunk, fill byte, fua bool) {
	data := filled(512, w.perChunk(), fill)
	entry := scripted{logwrites.Entry{Sector: w.originBlock(c), Sectors: w.perChunk()}, data}
	to, known := w.at[c]
	below := w.machine.write
	if fua {
		below, entry.Flags = w.machine.fua, logwrites.FUA
	}
	if !known {
		copied := w.copyOut(c)
		to, w.at[c] = copied.New, copied.New
		if w.view == OriginView {
			w.machine.write(w.cowBlock(to), w.get(w.originBlock(c), w.perChunk()))
		} else {
			below(w.cowBlock(to), data)
		}
		if err := w.model.Finish(copied); err != nil {
			w.t.Fatal(err)
		}
	}
	switch {
	case w.view == OriginView:
		below(w.originBlock(c), data)
	case known:
		below(w.cowBlock(to), data)
	}
	if fua {
		w.up = append(w.up, entry)
	} else {
		w.wait = append(w.wait, entry)
	}
}

// putNowhere is a write that never reaches the device below.
func (w *tower) putNowhere(c cow.Chunk, fill byte) {
	data := filled(512, w.perChunk(), fill)
	w.wait = append(w.wait, scripted{logwrites.Entry{Sector: w.originBlock(c), Sectors: w.perChunk()}, data})
}

// putBelow is a write that the device on top does not know about, to a chunk
// that has an exception.
func (w *tower) putBelow(c cow.Chunk, fill byte) {
	at := w.originBlock(c)
	to, known := w.at[c]
	if !known {
		return
	}
	if w.view == SnapshotView {
		at = w.cowBlock(to)
	}
	w.machine.write(at, filled(512, w.perChunk(), fill))
}

// sync flushes the device on top. If swallowed, the flush does not reach the
// one below.
func (w *tower) sync(swallowed bool) {
	if !swallowed {
		w.machine.flush()
	}
	w.up = append(append(w.up, w.wait...), scripted{logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}, nil})
	w.wait = nil
}

func (w *tower) note(text string) {
	w.up = append(w.up, scripted{logwrites.Entry{Flags: logwrites.Mark, Text: text}, nil})
	w.machine.mark(text)
}

// end takes both devices down, the upper one first.
func (w *tower) end() {
	w.up = append(append(w.up, w.wait...), scripted{logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil})
	w.machine.end()
}

func (w *tower) explored() (*logwrites.Log, Options) {
	opt := w.options(w.base)
	opt.FromMark, opt.Upper, opt.UpperView = "frozen", openBytes(w.t, logBytes(w.t, 512, w.up)), w.view
	opt.SnapshotWritten = w.view == SnapshotView
	return openBytes(w.t, logBytes(w.t, 512, w.log)), opt
}

// TestSwallowedFlush: what the layer above flushed before a mark is there in
// all states after the mark, unless the flush was swallowed.
func TestSwallowedFlush(t *testing.T) {
	for _, view := range []View{OriginView, SnapshotView} {
		for _, swallowed := range []bool{false, true} {
			w := newTower(t, view, 8)
			w.put(3, 'a', false)
			w.sync(false)
			w.put(3, 'b', false) // over a chunk that has an exception: nothing commits
			w.sync(swallowed)
			w.note("one")
			w.put(5, 'c', false)
			w.end()
			log, opt := w.explored()
			r, err := Explore(context.Background(), log, opt)
			if err != nil {
				t.Fatal(err)
			}
			if (r.LostWriteStates > 0) != swallowed || (r.FirstLost != nil) != swallowed || r.CommonMarks != 2 {
				t.Errorf("on the %s, swallowed %v: %d of %d states, %d marks, %+v", view, swallowed, r.LostWriteStates, r.States, r.CommonMarks, r.FirstLost)
			}
			if r.CorruptStates+r.LeakingStates+r.BrokenImageStates > 0 || len(r.Doubts) > 0 && view == OriginView {
				t.Errorf("on the %s, swallowed %v: %+v, %v", view, swallowed, r.FirstFailure, r.Doubts)
			}
		}
	}
}

// TestLossLasts: a block that the layer below overwrote stays lost in all
// later epochs.
func TestLossLasts(t *testing.T) {
	for _, view := range []View{OriginView, SnapshotView} {
		w := newTower(t, view, 8)
		w.put(3, 'a', false)
		w.sync(false)
		w.note("one")
		w.putBelow(3, 'z')
		w.machine.flush()
		end := len(w.log)
		w.put(5, 'c', false)
		w.machine.flush()
		w.put(6, 'd', false)
		w.end()
		log, opt := w.explored()
		after, lost := 0, 0
		opt.Visit = func(j Judged) {
			if s := j.State(); s.Durable >= end && len(s.Chosen) > 0 {
				after++
				if j.Lost {
					lost++
				}
			}
		}
		if _, err := Explore(context.Background(), log, opt); err != nil {
			t.Fatal(err)
		}
		if after == 0 || lost != after {
			t.Errorf("on the %s: %d of %d later states are lost", view, lost, after)
		}
	}
}

// TestDurabilityAgainstReading: for each state of small random logs, the
// explorer's result equals that of reading the device on top block by block,
// and comparing with everything that the log above says about the block.
func TestDurabilityAgainstReading(t *testing.T) {
	for _, view := range []View{OriginView, SnapshotView} {
		lost, states := 0, 0
		for seed := range uint64(300) {
			random := rand.New(rand.NewPCG(seed, 7))
			w := newTower(t, view, cow.Sectors(1+seed%2))
			for i := range 4 + random.IntN(8) {
				switch random.IntN(9) {
				case 0, 1, 2, 3:
					w.put(cow.Chunk(random.IntN(2)), byte('a'+i), false)
				case 4:
					w.put(cow.Chunk(random.IntN(2)), byte('A'+i), true)
				case 5:
					w.sync(random.IntN(2) == 0)
				case 6:
					w.sync(false)
				case 7:
					w.note(fmt.Sprint("mark", i))
				case 8:
					switch seed % 8 {
					case 0:
						w.putNowhere(cow.Chunk(random.IntN(2)), byte('A'+i))
					case 1:
						w.putBelow(cow.Chunk(random.IntN(2)), byte('A'+i))
					}
				}
				if random.IntN(4) == 0 {
					w.note(fmt.Sprint("also", i))
				}
			}
			w.end()
			log, opt := w.explored()
			opt.Visit = func(j Judged) {
				if !j.Valid || j.Corrupt {
					return
				}
				states++
				s := j.State()
				want := w.lostByHand(log, s)
				if want {
					lost++
				}
				if j.Lost != want {
					t.Fatalf("seed %d on the %s, state %v: lost %v, by hand %v\nbelow %v\nabove %v", seed, view, s, j.Lost, want, w.log, w.up)
				}
			}
			if _, err := Explore(context.Background(), log, opt); err != nil {
				t.Fatal(err)
			}
		}
		if lost < 100 || lost > states/2 {
			t.Errorf("on the %s: %d of %d states lost something", view, lost, states)
		}
	}
}

// lostByHand reports whether a state, which a crash after a mark can leave,
// shows a block of the device on top that is older than what was flushed before
// the mark.
func (w *tower) lostByHand(log *logwrites.Log, s State) bool {
	w.t.Helper()
	o, err := NewOverlay(log, s, bytes.NewReader(w.base), int64(len(w.base)))
	if err != nil {
		w.t.Fatal(err)
	}
	whole := func(entry int) bool {
		return entry < s.Durable || slices.ContainsFunc(s.Chosen, func(c Choice) bool { return c.Entry == entry && c.Blocks == nil })
	}
	end := len(w.log) // of the epoch; a complete one is also a state of the next epoch
	for i := len(w.log) - 1; i > s.Durable; i-- {
		if w.log[i].Flags&logwrites.Flush != 0 {
			end = i
		}
	}
	for above, e := range w.up {
		below := slices.IndexFunc(w.log, func(l scripted) bool { return l.Flags&logwrites.Mark != 0 && l.Text == e.Text })
		if e.Flags&logwrites.Mark == 0 || below < 0 || below >= end {
			continue
		}
		possible := true
		for i, l := range w.log[:below] {
			flushed := slices.ContainsFunc(w.log[i:below], func(f scripted) bool { return f.Flags&logwrites.Flush != 0 })
			possible = possible && (whole(i) || !l.Writes() || !flushed && l.Flags&logwrites.FUA == 0 || w.changesNothing(i))
		}
		for block := uint64(0); possible && block < w.originBlock(16); block++ {
			if !w.showsByHand(o, block, above) {
				return true
			}
		}
	}
	return false
}

// changesNothing reports whether an entry writes what was already there in all
// states: then no state names it.
func (w *tower) changesNothing(entry int) bool {
	e := w.log[entry]
	for i := entry - 1; i >= 0; i-- {
		if l := w.log[i]; l.Writes() && l.Sector == e.Sector {
			flushed := slices.ContainsFunc(w.log[i:entry], func(f scripted) bool { return f.Flags&logwrites.Flush != 0 })
			return flushed && bytes.Equal(l.data, e.data)
		}
	}
	return false
}

func (w *tower) showsByHand(o *Overlay, block uint64, mark int) bool {
	type version struct {
		entry int
		data  []byte
	}
	var all []version
	durable := -1
	for i, e := range w.up {
		if !e.Writes() || block < e.Sector || block >= e.Sector+e.Sectors {
			continue
		}
		all = append(all, version{i, e.data[(block-e.Sector)*512:][:512]})
		if i < mark && (e.Flags&logwrites.FUA != 0 || slices.ContainsFunc(w.up[i:mark], func(f scripted) bool { return f.Flags&logwrites.Flush != 0 })) {
			durable = i
		}
	}
	if durable < 0 {
		return true
	}
	earliest := 0 // of FUA writes that may have come later than logged
	flushes := 0
	for i := durable - 1; i >= 0 && flushes < 2; i-- {
		if earliest = i; w.up[i].Flags&logwrites.Flush != 0 {
			flushes++
		}
	}
	shown := w.readByHand(o, block)
	return slices.ContainsFunc(all, func(v version) bool {
		return bytes.Equal(v.data, shown) && (v.entry >= durable || v.entry >= earliest && w.up[v.entry].Flags&logwrites.FUA != 0)
	})
}

// readByHand reads a block of the device on top in a state.
func (w *tower) readByHand(o *Overlay, block uint64) []byte {
	buf := make([]byte, 512)
	read := func(at uint64) {
		if err := o.readBlock(buf, at); err != nil {
			w.t.Fatal(err)
		}
	}
	at := block
	if w.view == SnapshotView {
	list:
		for i := range w.perChunk() {
			read(w.cowBlock(1) + i)
			for _, e := range cow.Exceptions(bytes.Clone(buf)) {
				if e.Terminates() {
					break list
				}
				if uint64(e.Old) == block/w.perChunk() {
					at = w.cowBlock(e.New) + block%w.perChunk()
					break list
				}
			}
		}
	}
	read(at)
	return buf
}

// TestNoUseOfUpperLog: what cannot be judged is refused, and a missing common
// mark is a doubt.
func TestNoUseOfUpperLog(t *testing.T) {
	w := newTower(t, OriginView, 8)
	w.put(3, 'a', false)
	w.sync(false)
	w.end()
	log, opt := w.explored()
	for name, spoil := range map[string]func(*Options){
		"no view":           func(o *Options) { o.UpperView = "" },
		"other sectors":     func(o *Options) { o.Upper = openBytes(t, logBytes(t, 4096, w.up[len(w.up)-1:])) },
		"a log broken off":  func(o *Options) { o.Upper = openBytes(t, logBytes(t, 512, w.up[:len(w.up)-1])) },
		"no view of theirs": func(o *Options) { o.UpperView = "disk" },
	} {
		o := opt
		spoil(&o)
		if _, err := Explore(context.Background(), log, o); !errors.Is(err, ErrUpper) {
			t.Errorf("%s: %v", name, err)
		}
	}
	below := slices.DeleteFunc(slices.Clone(w.log), func(e scripted) bool { return e.Text == logwrites.EndMark })
	r := explore(t, logBytes(t, 512, below), opt)
	if !slices.ContainsFunc(r.Doubts, func(d Doubt) bool { return d.Code == NoCommonMark }) {
		t.Errorf("without a common mark: %v", r.Doubts)
	}
}
