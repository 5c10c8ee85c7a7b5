package mend

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// mending is one kind of plan, and what must hold in each crash state of it.
type mending struct {
	name   string
	scene  scene
	planOn func(store, origin blockdev.Device) (*Plan, error)
	// whole judges a crash state: nil where nothing is lost.
	whole func(s scene, store, origin []byte) error
	// done judges what a finished run leaves.
	done func(s scene, store, origin []byte) error
}

var ctx = context.Background()

func mendings() []mending {
	stale := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, stale: 9, spare: 40, seed: 1})
	leaky := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, leaked: 13, mixed: true, stale: 2, seed: 2})
	plain := newScene(kind{chunk: 1, origin: 40<<10 + 512, changed: 40, mixed: true, leaked: 3, seed: 3})
	damaged := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, spare: 9, seed: 4})
	g, _ := cow.NewGeometry(2)
	copy(damaged.store[g.RecordOffset(1, 2):], cow.Exception{Old: damaged.spec.Exceptions[66].Old, New: 1 << 50}.AppendTo(nil))
	invalid := newScene(kind{chunk: 2, origin: 120 << 10, changed: 63, stale: 0, spare: 5, seed: 5})
	h, _ := cow.DecodeHeader(invalid.store)
	h.Valid = 0
	copy(invalid.store, h.AppendTo(nil))
	moved := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, leaked: 13, mixed: true, seed: 6})
	var dumped bytes.Buffer
	if err := Dump(ctx, bytes.NewReader(moved.store), int64(len(moved.store)), &dumped); err != nil {
		panic(err)
	}
	before := bytes.Clone(moved.store)
	store := &disk{b: moved.store}
	p, err := Reclaim(ctx, store, ReclaimOptions{})
	if err != nil || p.Run(ctx, nil) != nil {
		panic(err)
	}

	// Another store, on a device that contains a store of the same chunk size.
	source := newScene(kind{chunk: 2, origin: 120 << 10, changed: 80, mixed: true, leaked: 4, seed: 7})
	target := newScene(kind{chunk: 2, origin: 120 << 10, changed: 90, spare: 10, seed: 8})
	var moving bytes.Buffer
	if err := Dump(ctx, bytes.NewReader(source.store), int64(len(source.store)), &moving); err != nil {
		panic(err)
	}
	data := &disk{b: source.store}
	target.origin, target.shows = source.origin, source.shows
	was := view(target.store, target.origin)

	same := func(s scene, store, origin []byte) error {
		if !bytes.Equal(view(store, origin), s.shows) {
			return fmt.Errorf("the snapshot shows something else; the store is %s", verdict(store))
		}
		return nil
	}
	sound := func(want ...verify.Verdict) func(scene, []byte, []byte) error {
		return func(s scene, store, origin []byte) error {
			if v := verdict(store); !slices.Contains(want, v) {
				return fmt.Errorf("the store is %s", v)
			}
			return same(s, store, origin)
		}
	}
	orMarked := func(v verify.Verdict) func(scene, []byte, []byte) error {
		return func(s scene, store, origin []byte) error {
			if verdict(store) == v {
				return nil
			}
			return same(s, store, origin)
		}
	}
	// Files that end with the last chunk in use, and without a header.
	cut := newScene(kind{chunk: 2, origin: 120 << 10, changed: 61, stale: 2, seed: 9})
	copy(cut.store, h.AppendTo(nil))
	full := newScene(kind{chunk: 2, origin: 120 << 10, changed: 61, stale: 2, spare: 1, seed: 11})
	full.store = full.store[:len(full.store)-300] // within a chunk that is free
	headless := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, stale: 9, spare: 3, seed: 10})
	copy(headless.store, "no header at all")
	grown := func(then func(scene, []byte, []byte) error, from scene) func(scene, []byte, []byte) error {
		return func(s scene, store, origin []byte) error {
			if len(store) < len(from.store)+8<<10 {
				return fmt.Errorf("the store has %d bytes", len(store))
			}
			return then(s, store, origin)
		}
	}

	return []mending{
		{"repair", stale, func(st, _ blockdev.Device) (*Plan, error) { return Repair(ctx, st, RepairOptions{}) },
			sound(verify.Stale, verify.Clean), sound(verify.Clean)},
		{"repair a damaged chunk number", damaged, func(st, _ blockdev.Device) (*Plan, error) {
			return Repair(ctx, st, RepairOptions{AssumeCanonical: true})
		}, orMarked(verify.Corrupt), sound(verify.Clean)},
		{"reclaim", leaky, func(st, _ blockdev.Device) (*Plan, error) {
			return Reclaim(ctx, st, ReclaimOptions{BatchBytes: 5 << 10})
		},
			sound(verify.Leaked, verify.Clean, verify.Stale), sound(verify.Clean)},
		{"apply", plain, func(st, o blockdev.Device) (*Plan, error) { p, _, err := Apply(ctx, st, o); return p, err },
			same, func(s scene, store, origin []byte) error {
				if !bytes.Equal(origin, s.shows) || verdict(store) != verify.Empty {
					return fmt.Errorf("the origin is not the image, or the store is %s", verdict(store))
				}
				return nil
			}},
		{"revalidate", invalid, func(st, _ blockdev.Device) (*Plan, error) { return Revalidate(ctx, st, RevalidateOptions{}) },
			orMarked(verify.Invalid), sound(verify.Clean)},
		{"restore", moved, func(st, _ blockdev.Device) (*Plan, error) {
			return Restore(ctx, bytes.NewReader(dumped.Bytes()), st, RestoreOptions{})
		}, orMarked(verify.Invalid), func(s scene, store, origin []byte) error {
			for area := range uint64(2) {
				at := g.RecordOffset(area, 0)
				if !bytes.Equal(store[at:at+1024], before[at:at+1024]) || !bytes.Equal(store[:1024], before[:1024]) {
					return fmt.Errorf("the metadata is another one")
				}
			}
			return same(s, store, origin)
		}},
		{"restore over another store", target, func(st, _ blockdev.Device) (*Plan, error) {
			return Restore(ctx, bytes.NewReader(moving.Bytes()), st, RestoreOptions{Data: data})
		}, func(s scene, store, origin []byte) error {
			if bytes.Equal(view(store, origin), was) {
				return nil
			}
			return orMarked(verify.Invalid)(s, store, origin)
		}, sound(verify.Leaked, verify.Clean)},
		{"revalidate and grow", cut, func(st, _ blockdev.Device) (*Plan, error) {
			return Revalidate(ctx, st, RevalidateOptions{GrowBy: 8 << 10})
		}, func(s scene, store, origin []byte) error {
			if verdict(store) == verify.Invalid {
				return same(s, marked(store, 1), origin)
			}
			return grown(sound(verify.Clean), cut)(s, store, origin)
		}, grown(sound(verify.Clean), cut)},
		{"grow", full, func(st, _ blockdev.Device) (*Plan, error) { return Grow(ctx, st, 8<<10) },
			sound(verify.Stale), grown(sound(verify.Stale), full)},
		{"repair a lost header", headless, func(st, _ blockdev.Device) (*Plan, error) { return Repair(ctx, st, RepairOptions{}) },
			func(s scene, store, origin []byte) error {
				if v := verdict(store); v != verify.Unrecognized && v != verify.Invalid {
					return fmt.Errorf("the store is %s", v)
				}
				return same(s, marked(store, 1), origin)
			}, func(s scene, store, origin []byte) error {
				if v := verdict(store); v != verify.Invalid || verdict(marked(store, 1)) != verify.Clean {
					return fmt.Errorf("the store is %s, and would be %s if it were valid", v, verdict(marked(store, 1)))
				}
				return same(s, marked(store, 1), origin)
			}},
	}
}

// marked is a store of chunks of 2 sectors with a header that says whether it is
// valid.
func marked(store []byte, valid uint32) []byte {
	h := cow.NewHeader(2)
	h.Valid = valid
	store = bytes.Clone(store)
	copy(store, h.AppendTo(nil))
	return store
}

// judge runs a plan on copies, and judges its crash states: how many are bad.
func (m mending) judge(t *testing.T, mutate func(*Plan)) (states, bad int, first error) {
	t.Helper()
	var log []op
	store := &disk{b: bytes.Clone(m.scene.store), id: 0, log: &log}
	origin := &disk{b: bytes.Clone(m.scene.origin), id: 1, log: &log}
	p, err := m.planOn(store, origin)
	if err != nil {
		t.Fatal(err)
	}
	if mutate != nil {
		mutate(p)
	}
	if err := p.Run(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := m.done(m.scene, store.b, origin.b); err != nil {
		t.Fatalf("after the run: %v", err)
	}
	seen := 0
	crashes([][]byte{m.scene.store, m.scene.origin}, log, func(state [][]byte) {
		if mutate != nil && bad > 0 {
			return // one is enough
		}
		if seen++; mutate == nil && seen > 9 && seen%thorough.Of(3, 1) != 0 {
			return
		}
		states++
		err := m.whole(m.scene, state[0], state[1])
		if err == nil && mutate == nil && states%7 == 1 {
			err = m.again(state)
		}
		if err != nil {
			if bad++; first == nil {
				first = err
			}
		}
	})
	return states, bad, first
}

// again finishes the work on a crash state.
func (m mending) again(state [][]byte) error {
	store, origin := &disk{b: bytes.Clone(state[0])}, &disk{b: bytes.Clone(state[1])}
	p, err := m.planOn(store, origin)
	if err == nil {
		err = p.Run(ctx, nil)
	}
	if err == nil {
		err = m.done(m.scene, store.b, origin.b)
	}
	if err != nil {
		return fmt.Errorf("the second run: %w", err)
	}
	return nil
}

// TestEveryCrashStateIsWhole: after a crash at any moment of a plan nothing is
// lost, and a second run finishes the work.
func TestEveryCrashStateIsWhole(t *testing.T) {
	for _, m := range mendings() {
		t.Run(m.name, func(t *testing.T) {
			states, bad, first := m.judge(t, nil)
			if bad > 0 {
				t.Errorf("%d of %d crash states are bad: %v", bad, states, first)
			}
			t.Logf("%d crash states", states)
			if states < 3 {
				t.Errorf("only %d crash states were seen", states)
			}
		})
	}
}

// TestMutantsAreCaught removes or moves parts on which the order of a plan
// depends.
func TestMutantsAreCaught(t *testing.T) {
	byName := map[string]mending{}
	for _, m := range mendings() {
		byName[m.name] = m
	}
	noFlush := func(say int) func(*Plan) { return func(p *Plan) { p.Stages[say].barrier = false } }
	swap := func(a, b int) func(*Plan) {
		return func(p *Plan) { p.Stages[a], p.Stages[b] = p.Stages[b], p.Stages[a] }
	}
	copies := func(p *Plan) (first int) { // where the first batch is
		for i, s := range p.Stages {
			if s.Bytes > 1024 {
				return i
			}
		}
		return -1
	}
	tests := []struct {
		name, of string
		mutate   func(*Plan)
	}{
		{"no flush between copies and records", "reclaim", func(p *Plan) { noFlush(copies(p))(p) }},
		{"records before copies", "reclaim", func(p *Plan) { i := copies(p); swap(i, i+1)(p) }},
		{"the origin not flushed before the store is emptied", "apply", noFlush(0)},
		{"the store emptied before the copy", "apply", swap(0, 1)},
		{"the store cleared from the front", "apply", swap(1, 2)},
		{"no flush between area 0 and the header", "apply", noFlush(1)},
		{"the store not marked while it is written", "restore over another store", func(p *Plan) { p.Stages = p.Stages[1:] }},
		{"no flush behind the mark", "restore over another store", noFlush(0)},
		{"no flush before the header", "restore over another store", noFlush(2)},
		{"the header before the data", "restore over another store", swap(1, 3)},
		{"the header before the records", "restore over another store", swap(2, 3)},
		{"no flush between the growth and the header", "revalidate and grow", func(p *Plan) { noFlush(0)(p); noFlush(1)(p) }},
		{"the header before the growth", "revalidate and grow", func(p *Plan) { slices.Reverse(p.Stages) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			states, bad, _ := byName[tt.of].judge(t, tt.mutate)
			if bad == 0 {
				t.Errorf("none of %d crash states is bad", states)
			}
		})
	}
}

// TestEveryStageIsFlushed: what a run reports as done is durable.
func TestEveryStageIsFlushed(t *testing.T) {
	for _, m := range mendings() {
		p, err := m.planOn(&disk{b: bytes.Clone(m.scene.store)}, &disk{b: bytes.Clone(m.scene.origin)})
		if err != nil || len(p.Stages) == 0 {
			t.Fatalf("%s: %v", m.name, err)
		}
		for _, s := range p.Stages {
			if !s.barrier {
				t.Errorf("%s: no flush behind %q", m.name, s.Say)
			}
		}
	}
}
