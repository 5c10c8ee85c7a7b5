package crash

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

func discarded(sector, sectors uint64) scripted {
	return scripted{logwrites.Entry{Sector: sector, Sectors: sectors, Flags: logwrites.Discard}, nil}
}

// TestDiscardRanges: a discard is split only into blocks that are tracked, and
// these have the content of the state.
func TestDiscardRanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		steps  func(m *machine)
		broken bool
	}{
		{"a chunk that no exception names", func(m *machine) { m.held = append(m.held, discarded(m.originBlock(7), 8)) }, true},
		{"half of it", func(m *machine) { m.held = append(m.held, discarded(m.originBlock(7)+4, 4)) }, true},
		{"the origin, all of which was copied", func(m *machine) {
			m.overwrite(chunks(3, 61)...)
			m.held = append(m.held, discarded(m.originBlock(0), 64*8))
		}, false},
		{"a chunk of the store that an older exception names", func(m *machine) { m.held = append(m.held, discarded(m.cowBlock(3), 8)) }, true},
		{"chunks of the store that no exception names", func(m *machine) { m.held = append(m.held, discarded(m.cowBlock(10), 40*8)) }, false},
		{"all but the header", func(m *machine) { m.held = append(m.held, discarded(m.cowBlock(1), 127*8)) }, true},
		{"zeros", func(m *machine) { m.held = append(m.held, discarded(m.cowBlock(128), 1<<20)) }, false},
	} {
		m := newMachine(t, 512, 8, 64, 128)
		m.create(allocator.Fixed)
		m.overwrite(chunks(0, 3)...) // in the base image: the log begins after them
		base := m.image()
		m.log, m.held = nil, nil
		m.overwrite(50)
		test.steps(m)
		m.flush()
		m.end()
		opt := m.options(base)
		opt.Exhaustive, opt.Reorder = 128, 32
		log := openBytes(t, logBytes(t, 512, m.log))
		if r := explore(t, logBytes(t, 512, m.log), opt); (r.BrokenImageStates > 0) != test.broken {
			t.Errorf("%s: %d broken states, first %+v", test.name, r.BrokenImageStates, r.FirstBroken)
		}
		everyState(t, log, opt, func(v *visitor) {
			o, err := NewOverlay(log, v.epoch.name(), opt.Base, opt.BaseSize)
			if err != nil {
				t.Fatal(err)
			}
			comparePlaces(t, v, o)
		})
	}
}

// TestHugeDiscard: a discard like that of mkfs, of an origin of terabytes.
func TestHugeDiscard(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 64)
	m.origin.Len = 1 << 40
	m.cow.Start = m.origin.Len
	m.disk = map[uint64][]byte{}
	for at := uint64(0); at < 1<<33; at += 1 << 30 {
		m.log = append(m.log, discarded(at, 1<<30))
	}
	m.create(allocator.Fixed)
	m.overwrite(0, cow.Chunk(1<<20), 5)
	m.log = append(m.log, discarded(0, 1<<30))
	m.end()
	opt := Options{Origin: m.origin, COW: []Region{m.cow}}
	r := explore(t, logBytes(t, 512, m.log), opt)
	if r.FirstFailure != nil || r.Commits != 3 || r.LintViolations > 0 {
		t.Errorf("%d commits, first failure %+v, violations %v", r.Commits, r.FirstFailure, r.Violations)
	}
	everyState(t, openBytes(t, logBytes(t, 512, m.log)), opt, func(v *visitor) {
		if n := len(v.cells); n > 100 {
			t.Fatalf("%d cells", n)
		}
	})
	huge := logBytes(t, 512, []scripted{m.log[len(m.log)-2], discarded(0, math.MaxInt64)})
	if _, err := Explore(context.Background(), openBytes(t, huge), opt); err == nil {
		t.Error("a discard of half of all sectors was taken")
	}
}

// TestDiscardsPassedDown: a discard of the origin that needs no copy is one that
// the snapshot passes down. Without the option it is damage, as a write of zeros
// is with it. The copy that a later write makes holds zeros.
func TestDiscardsPassedDown(t *testing.T) {
	discard := func(m *machine) {
		m.held = append(m.held, discarded(m.originBlock(7), 8))
		m.put(m.originBlock(7), make([]byte, 8*512))
	}
	for _, test := range []struct {
		name   string
		steps  func(m *machine)
		passed bool
		broken bool
	}{
		{"a discard", discard, false, true},
		{"a discard that is passed down", discard, true, false},
		{"one, and a write to the chunk", func(m *machine) { discard(m); m.flush(); m.overwrite(7, 8) }, true, false},
		{"a write of zeros", func(m *machine) { m.write(m.originBlock(7), make([]byte, 8*512)) }, true, true},
		{"a discard, and a write of zeros", func(m *machine) {
			discard(m)
			m.flush()
			m.write(m.originBlock(9), make([]byte, 8*512))
		}, true, true},
	} {
		m := newMachine(t, 512, 8, 64, 128)
		base := m.image()
		m.create(allocator.Fixed)
		m.overwrite(chunks(0, 3)...)
		test.steps(m)
		m.flush()
		m.end()
		opt := m.options(base)
		opt.DiscardsPassedDown = test.passed
		if r := explore(t, logBytes(t, 512, m.log), opt); (r.BrokenImageStates > 0) != test.broken || (r.LintViolations > 0) != test.broken || r.CorruptStates > 0 {
			t.Errorf("%s: %d broken states, first %+v, violations %+v", test.name, r.BrokenImageStates, r.FirstBroken, r.Violations)
		}
	}
	m := newMachine(t, 512, 8, 64, 128)
	m.create(allocator.Fixed)
	m.overwrite(0)
	m.end()
	opt := m.options(nil)
	opt.COW, opt.DiscardsPassedDown = append(opt.COW, Region{1 << 20, 8}), true
	if _, err := Explore(context.Background(), openBytes(t, logBytes(t, 512, m.log)), opt); err == nil || !strings.Contains(err.Error(), "one store") {
		t.Errorf("with two stores: %v", err)
	}
}
