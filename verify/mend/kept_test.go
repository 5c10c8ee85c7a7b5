package mend

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// undoFiles are what undoes a plan: a dump, a store, or for an apply both.
type undoFiles struct {
	apply bool
	dump  []byte // nil for none
	store []byte
}

func undoFilesOf(t *testing.T, m mending) (u undoFiles) {
	t.Helper()
	st, origin := &disk{b: bytes.Clone(m.scene.store)}, &disk{b: bytes.Clone(m.scene.origin)}
	p, err := m.planOn(st, origin)
	if err != nil {
		t.Fatal(err)
	}
	var undo file
	switch u.apply = m.name == "apply"; {
	case u.apply:
		_, im, err := Apply(ctx, st, origin)
		if err == nil {
			err = WriteOriginUndo(ctx, im, origin, &undo, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		u.dump, u.store = dumpOf(t, st.b), undo.b
	case p.Beyond:
		if err := WriteUndo(ctx, p, st, &undo, nil); err != nil {
			t.Fatal(err)
		}
		u.store = undo.b
	default:
		u.dump = dumpOf(t, st.b)
	}
	return u
}

// check asks whether the files undo the rest of the work.
func (u undoFiles) check(m mending, st, origin *disk) error {
	p, err := m.planOn(st, origin)
	if err != nil || len(p.Stages) == 0 {
		return err
	}
	undo, size := bytes.NewReader(u.store), int64(len(u.store))
	switch {
	case u.apply:
		if err := CheckDumpOfApply(ctx, bytes.NewReader(u.dump), st); err != nil {
			return err
		}
		return CheckOriginUndo(ctx, st, origin, undo, size, bytes.NewReader(u.dump))
	case u.dump == nil:
		return CheckUndo(ctx, func(d blockdev.Device) (*Plan, error) { return m.planOn(d, origin) }, st, undo, size)
	}
	return CheckDump(ctx, bytes.NewReader(u.dump), st, p)
}

// TestUndoIsKeptInEveryCrashState: the undo files of a run that ended at any
// moment are those of the run that continues it.
func TestUndoIsKeptInEveryCrashState(t *testing.T) {
	for _, m := range mendings() {
		t.Run(m.name, func(t *testing.T) {
			u := undoFilesOf(t, m)
			var log []op
			st, origin := &disk{b: bytes.Clone(m.scene.store), log: &log}, &disk{b: bytes.Clone(m.scene.origin), id: 1, log: &log}
			p, err := m.planOn(st, origin)
			mustRun(t, p, err)
			states, seen := 0, 0
			crashes([][]byte{m.scene.store, m.scene.origin}, log, func(state [][]byte) {
				if seen++; seen > 9 && seen%thorough.Of(5, 1) != 0 {
					return
				}
				states++
				if err := u.check(m, &disk{b: state[0]}, &disk{b: state[1]}); err != nil {
					t.Fatalf("after %d states: %v", seen, err)
				}
			})
			if states < 3 {
				t.Errorf("only %d crash states were seen", states)
			}
		})
	}
}

// TestUndoOfAnApplyBefore: the undo files of another day are not those of today,
// though they have the same places.
func TestUndoOfAnApplyBefore(t *testing.T) {
	s := newScene(kind{chunk: 8, origin: 200 << 10, changed: 20, seed: 3})
	g, _ := cow.NewGeometry(8)
	st, origin := &disk{b: bytes.Clone(s.store)}, &disk{b: bytes.Clone(s.origin)}
	p, im, err := Apply(ctx, st, origin)
	if err != nil {
		t.Fatal(err)
	}
	var undo file
	if err := WriteOriginUndo(ctx, im, origin, &undo, nil); err != nil {
		t.Fatal(err)
	}
	lines := dumpOf(t, st.b)
	check := func(st, origin []byte, dump []byte) error {
		return CheckOriginUndo(ctx, &disk{b: st}, &disk{b: origin}, bytes.NewReader(undo.b), int64(len(undo.b)), bytes.NewReader(dump))
	}
	half := bytes.Clone(s.store)
	clear(half[g.RecordOffset(0, 9):][:512])
	mustRun(t, p, nil)
	if err := check(half, origin.b, lines); err != nil {
		t.Errorf("the run itself, with half of the list cleared: %v", err)
	}
	if err := check(s.store, s.origin, lines); err != nil {
		t.Errorf("the run itself, before it began: %v", err)
	}
	changed := s.spec.Exceptions[3].Old
	later := bytes.Clone(origin.b)
	later[int(changed)*4096+700] ^= 2
	other := bytes.Clone(s.store)
	for _, e := range s.spec.Exceptions {
		other[int(e.New)*4096+9] ^= 2
	}
	fewer := bytes.Clone(s.store)
	clear(fewer[g.RecordOffset(0, 12):][:8*cow.ExceptionSize])
	fewerLines := dumpOf(t, fewer)
	more := newScene(kind{chunk: 8, origin: 200 << 10, changed: 21, seed: 3})
	for name, err := range map[string]error{
		"the origin was written to":          check(s.store, later, lines),
		"a store of the same list":           check(other, origin.b, lines),
		"the list is a prefix":               check(fewer, s.origin, fewerLines),
		"the list was cleared, with no dump": CheckOriginUndo(ctx, &disk{b: half}, origin, bytes.NewReader(undo.b), int64(len(undo.b)), nil),
		"another list":                       check(more.store, s.origin, dumpOf(t, more.store)),
	} {
		if !errors.Is(err, ErrOtherUndo) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDumpOfAnotherState: a dump is that of the run only if restoring it gives
// the same snapshot.
func TestDumpOfAnotherState(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 40, stale: 2, spare: 4, seed: 3})
	g, _ := cow.NewGeometry(2)
	lines := dumpOf(t, s.store)
	record := func(slot int, e cow.Exception) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[g.RecordOffset(0, uint64(slot)):], e.AppendTo(nil))
			return b
		}
	}
	list := s.spec.Exceptions
	tests := []struct {
		name   string
		change func([]byte) []byte
		kept   bool
	}{
		{"nothing", func(b []byte) []byte { return b }, true},
		{"a cleared record after the list", record(41, cow.Exception{}), true},
		{"moved to a chunk with the same bytes", func(b []byte) []byte {
			copy(b[int(g.DataChunk(40))*1024:][:1024], b[int(list[3].New)*1024:][:1024])
			return record(3, cow.Exception{Old: list[3].Old, New: g.DataChunk(40)})(b)
		}, true},
		{"moved to a chunk with other bytes", record(3, cow.Exception{Old: list[3].Old, New: g.DataChunk(40)}), false},
		{"another origin chunk", record(3, cow.Exception{Old: 1000, New: list[3].New}), false},
		{"a new exception", record(40, cow.Exception{Old: 1000, New: g.DataChunk(40)}), false},
		{"a record after the list that was not there", record(50, cow.Exception{Old: 1, New: 7}), false},
		{"the list cleared", record(3, cow.Exception{}), false},
		{"the snapshot invalidated since", func(b []byte) []byte { return marked(b, 0) }, false},
		{"a smaller file", func(b []byte) []byte { return b[:len(b)-1024] }, false},
		{"a larger file", func(b []byte) []byte { return append(b, make([]byte, 1024)...) }, true},
		{"no header", func(b []byte) []byte { clear(b[:512]); return b }, false},
	}
	for _, tt := range tests {
		dev := &disk{b: tt.change(slices.Clone(s.store))}
		err := CheckDump(ctx, bytes.NewReader(lines), dev, &Plan{})
		if tt.kept && err != nil || !tt.kept && !errors.Is(err, ErrOtherUndo) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := CheckDump(ctx, bytes.NewReader(lines), fixed{&disk{b: append(bytes.Clone(s.store), make([]byte, 1024)...)}}, nil); !errors.Is(err, ErrOtherUndo) {
		t.Errorf("a larger device: %v", err)
	}
	if err := CheckDump(ctx, bytes.NewReader(lines), &disk{b: s.store}, &Plan{Beyond: true}); !errors.Is(err, ErrOtherUndo) {
		t.Errorf("of a plan that overwrites more: %v", err)
	}
	if err := CheckDump(ctx, bytes.NewReader(make([]byte, 512)), &disk{b: s.store}, &Plan{Beyond: true}); !errors.Is(err, ErrOtherUndo) || strings.Contains(err.Error(), "it is a dump") {
		t.Errorf("of no dump: %v", err)
	}
}

// TestRestoreOfZeroes: a store whose chunks have only zeroes takes its own dump,
// also after a restore that was interrupted. Another one does not.
func TestRestoreOfZeroes(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 40, stale: 2, seed: 3})
	for _, e := range s.spec.Exceptions {
		clear(s.store[int(e.New)*1024:][:1024])
	}
	lines := dumpOf(t, s.store)
	dev := &disk{b: bytes.Clone(s.store)}
	p, err := Repair(ctx, dev, RepairOptions{})
	mustRun(t, p, err)
	interrupted := &disk{b: marked(dev.b, 0)}
	for _, d := range []*disk{dev, interrupted} {
		p, err = Restore(ctx, bytes.NewReader(lines), d, RestoreOptions{})
		mustRun(t, p, err)
		if !bytes.Equal(d.b, s.store) {
			t.Error("it is not the store of before")
		}
	}
	fewer := bytes.Clone(s.store)
	g, _ := cow.NewGeometry(2)
	clear(fewer[g.RecordOffset(0, 39):][:cow.ExceptionSize])
	if _, err := Restore(ctx, bytes.NewReader(lines), &disk{b: fewer}, RestoreOptions{}); !errors.Is(err, ErrUncertain) {
		t.Errorf("to a store of fewer exceptions: %v", err)
	}
}

// TestDumpOfACorrection: a repair that assumes the layout corrects a number only
// if it is impossible or named twice.
func TestDumpOfACorrection(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 40, seed: 3})
	g, _ := cow.NewGeometry(2)
	list := s.spec.Exceptions
	with := func(news map[int]cow.Chunk) []byte {
		b := bytes.Clone(s.store)
		for slot, c := range news {
			copy(b[g.RecordOffset(0, uint64(slot)):], cow.Exception{Old: list[slot].Old, New: c}.AppendTo(nil))
		}
		return b
	}
	for name, tc := range map[string]struct {
		damaged []byte
		kept    bool
	}{
		"impossible":  {with(map[int]cow.Chunk{3: 1 << 50}), true},
		"an area":     {with(map[int]cow.Chunk{3: 1}), true},
		"named twice": {with(map[int]cow.Chunk{3: list[7].New}), true},
		"swapped":     {with(map[int]cow.Chunk{3: list[7].New, 7: list[3].New}), false},
	} {
		lines := dumpOf(t, tc.damaged)
		now := &disk{b: s.store}
		if err := CheckDump(ctx, bytes.NewReader(lines), now, &Plan{canonical: true}); tc.kept && err != nil || !tc.kept && !errors.Is(err, ErrOtherUndo) {
			t.Errorf("%s: %v", name, err)
		}
		if err := CheckDump(ctx, bytes.NewReader(lines), now, &Plan{}); !errors.Is(err, ErrOtherUndo) {
			t.Errorf("%s, of a repair that assumes nothing: %v", name, err)
		}
	}
}
