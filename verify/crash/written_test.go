package crash

import (
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// TestWrongCopies: a copy that is not the frozen chunk is a broken image,
// unless the log shows that somebody wrote to the snapshot.
func TestWrongCopies(t *testing.T) {
	flipped := func(m *machine) []byte {
		data := m.get(m.originBlock(9), m.perChunk())
		data[100] ^= 1
		return data
	}
	// as commits an exception for chunk 9 over such content, and overwrites
	// the origin's chunk or leaves it alone.
	as := func(m *machine, data []byte, overwrite []byte) {
		c := m.copyOut(9)
		committed := m.model.Committed
		if m.model.Committed = nil; overwrite != nil {
			m.model.Committed = func([]allocator.Copy) { m.write(m.originBlock(9), overwrite) }
		}
		m.write(m.cowBlock(c.New), data)
		if err := m.model.Finish(c); err != nil {
			t.Fatal(err)
		}
		m.model.Committed = committed
	}
	// late copies chunk 9 after it was overwritten.
	late := func(m *machine, data []byte) { m.write(m.originBlock(9), data); as(m, data, nil) }
	again := func(m *machine) { m.write(m.cowBlock(2)+1, filled(512, 1, 's')) }
	goOn := func(m *machine) { m.overwrite(20, 21) }
	zero, new := make([]byte, 4096), filled(512, 8, 'n')
	for _, test := range []struct {
		name   string
		mend   func(m *machine)
		set    func(*Options)
		broken bool
		warns  string
	}{
		{"a bit flipped", func(m *machine) { as(m, flipped(m), new); goOn(m) }, nil, true, ""},
		{"a bit flipped, and the snapshot was written", func(m *machine) { as(m, flipped(m), new); goOn(m) }, func(o *Options) { o.SnapshotWritten = true }, false, ""},
		{"a chunk rewritten elsewhere", func(m *machine) { again(m); as(m, flipped(m), new); goOn(m) }, nil, false, "somebody wrote to the snapshot"},
		{"a chunk rewritten elsewhere, and read only", func(m *machine) { again(m); as(m, flipped(m), new); goOn(m) }, func(o *Options) { o.ReadOnlySnapshot = true }, true, ""},
		{"a chunk copied again, too late", func(m *machine) {
			m.write(m.cowBlock(2), m.get(m.originBlock(0), 8))
			goOn(m)
		}, nil, true, ""},
		{"a chunk that is rewritten with what is another's", func(m *machine) {
			m.write(m.cowBlock(2), m.get(m.originBlock(1), 8))
			goOn(m)
		}, nil, false, "of the COW store again"},
		{"a block that is rewritten with the origin's", func(m *machine) {
			m.write(m.cowBlock(2), m.get(m.originBlock(0), 1))
			goOn(m)
		}, nil, false, "of the COW store again"},
		{"a chunk written with what it held", func(m *machine) {
			m.write(m.cowBlock(2)+1, m.get(m.cowBlock(2)+1, 1))
			as(m, flipped(m), new)
			goOn(m)
		}, nil, true, ""},
		{"a whole chunk written to the snapshot", func(m *machine) { as(m, filled(512, 8, 'u'), nil); goOn(m) }, nil, false, "chunk 5 of the COW store"},
		{"a whole chunk, and the origin's much later", func(m *machine) {
			as(m, filled(512, 8, 'u'), nil)
			m.overwrite(chunks(20, flushesToWrite)...)
			m.write(m.originBlock(9), new)
		}, nil, false, "chunk 5 of the COW store"},
		{"a bit flipped, and the origin's chunk written a little later", func(m *machine) {
			as(m, flipped(m), nil)
			m.overwrite(chunks(20, flushesToWrite-1)...)
			m.write(m.originBlock(9), new)
		}, nil, true, ""},
		{"at the log's tail", func(m *machine) { as(m, filled(512, 8, 'u'), nil) }, nil, false, "chunk 5 of the COW store"},
		{"at the log's tail, a bit flipped", func(m *machine) { as(m, flipped(m), new) }, nil, true, ""},
		{"a copy of what the origin became", func(m *machine) { late(m, new); goOn(m) }, nil, true, ""},
		{"a copy of the zeros that the origin became", func(m *machine) { late(m, zero); goOn(m) }, nil, true, ""},
		{"such a copy where the snapshot was written", func(m *machine) { late(m, zero); goOn(m) }, func(o *Options) { o.SnapshotWritten = true }, true, ""},
		{"written to the snapshot, and later to the origin", func(m *machine) { as(m, new, new); goOn(m) }, func(o *Options) { o.SnapshotWritten = true }, false, ""},
		{"written to the snapshot, and merged", func(m *machine) { as(m, new, nil); m.mergeLast(9, 5, 3) }, nil, false, "merged (entry"},
		{"written to the snapshot and merged, and read only", func(m *machine) { as(m, new, nil); m.mergeLast(9, 5, 3) }, func(o *Options) { o.ReadOnlySnapshot = true }, true, ""},
		{"a bit flipped, and merged", func(m *machine) { as(m, flipped(m), new); m.mergeLast(9, 5, 3) }, nil, true, ""},
		{"zeros written to the snapshot", func(m *machine) { as(m, zero, nil); goOn(m) }, nil, false, "somebody wrote to the snapshot"},
		{"without a base image", func(m *machine) { as(m, flipped(m), new); goOn(m) }, func(o *Options) { o.Base = nil }, false, "base image"},
	} {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		m.create(allocator.Fixed)
		m.overwrite(chunks(0, 3)...)
		test.mend(m)
		m.end()
		opt := m.options(base)
		if test.set != nil {
			test.set(&opt)
		}
		r := explore(t, logBytes(t, 512, m.log), opt)
		if broken := r.CorruptStates+r.BrokenImageStates > 0; broken != test.broken {
			t.Errorf("%s: %d broken states, first %+v", test.name, r.BrokenImageStates, r.FirstBroken)
		}
		if texts := strings.Join(said(r), "\n"); (test.warns == "") != (texts == "") || !strings.Contains(texts, test.warns) {
			t.Errorf("%s: warnings %q", test.name, said(r))
		}
	}
}

// TestWithoutBase: a mark alone does not show what the device contained before
// the log began. What the log itself contains is known.
func TestWithoutBase(t *testing.T) {
	for _, test := range []struct {
		name             string
		base, laid, flip bool // with a base image, the origin laid out in the log, a copy with a wrong bit
		broken           bool
		warns            string
	}{
		{"nothing known", false, false, false, false, "base image"},
		{"nothing known, a bit flipped", false, false, true, false, "base image"},
		{"in the log", false, true, false, false, ""},
		{"in the log, a bit flipped", false, true, true, true, ""},
		{"in the base image", true, false, false, false, ""},
		{"in the base image, a bit flipped", true, false, true, true, ""},
	} {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		if test.laid {
			for _, c := range chunks(0, 64) {
				m.write(m.originBlock(c), m.get(m.originBlock(c), 8))
			}
		}
		m.flush()
		m.mark("frozen")
		m.create(allocator.Fixed)
		c := m.copyOut(9)
		data := m.get(m.originBlock(9), 8)
		if test.flip {
			data[100] ^= 1
		}
		m.write(m.cowBlock(c.New), data)
		if err := m.model.Finish(c); err != nil {
			t.Fatal(err)
		}
		m.overwrite(20, 21)
		m.end()
		opt := m.options(base)
		if opt.FromMark = "frozen"; !test.base {
			opt.Base = nil
		}
		r := explore(t, logBytes(t, 512, m.log), opt)
		if (r.BrokenImageStates > 0) != test.broken {
			t.Errorf("%s: first broken %+v", test.name, r.FirstBroken)
		}
		if texts := strings.Join(said(r), "\n"); !test.broken && ((test.warns == "") != (texts == "") || !strings.Contains(texts, test.warns)) {
			t.Errorf("%s: warnings %q", test.name, said(r))
		}
	}
}

// TestTailOfTheLog: the last write in a log is a write to the snapshot, unless
// the log was cut off: then the write to the origin may be missing.
func TestTailOfTheLog(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 64)
	base := m.image()
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 3)...)
	c := m.copyOut(9)
	m.model.Committed = nil
	m.write(m.cowBlock(c.New), filled(512, 8, 'u'))
	if err := m.model.Finish(c); err != nil {
		t.Fatal(err)
	}
	m.end()
	for ends, log := range map[bool][]scripted{true: m.log, false: m.log[:len(m.log)-1]} {
		if r := explore(t, logBytes(t, 512, log), m.options(base)); r.BrokenImageStates > 0 == ends {
			t.Errorf("with its end mark %v: first broken %+v, warnings %q", ends, r.FirstBroken, r.Warnings)
		}
	}
}

// TestWritesWhileMerging: after an exception was cleared, its chunk may be
// written. A chunk that never had an exception may not.
func TestWritesWhileMerging(t *testing.T) {
	for _, test := range []struct {
		name   string
		chunk  uint64
		set    Options
		broken bool
	}{
		{"the merged chunk", 2, Options{}, false},
		{"another chunk", 7, Options{}, true},
		{"another chunk, and somebody wrote to the snapshot", 7, Options{SnapshotWritten: true}, false},
	} {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		m.create(allocator.Fixed)
		m.overwrite(chunks(0, 3)...)
		m.mergeLast(2, 4, 2)
		m.write(test.chunk*8, filled(512, 8, 'w'))
		m.end()
		opt := m.options(base)
		opt.SnapshotWritten = test.set.SnapshotWritten
		r := explore(t, logBytes(t, 512, m.log), opt)
		if (r.BrokenImageStates > 0) != test.broken || (r.LintViolations > 0) != test.broken {
			t.Errorf("%s: first broken %+v, violations %v", test.name, r.FirstBroken, r.Violations)
		}
	}
}

// TestMarks: a mark is trusted, with a warning if earlier writes may come
// after it.
func TestMarks(t *testing.T) {
	early := func(m *machine) { m.write(m.originBlock(30), filled(512, 8, 'e')) }
	mark := func(m *machine) { m.mark("frozen") }
	create := func(m *machine) { m.create(allocator.Fixed); m.flush() }
	flush := (*machine).flush
	for _, test := range []struct {
		name   string
		steps  []func(*machine)
		broken bool
		warns  []string
	}{
		{"behind a flush", []func(*machine){early, flush, mark, create}, false, nil},
		{"first of all", []func(*machine){mark, create}, false, nil},
		{"a write that no flush covers", []func(*machine){early, mark, flush, create}, true, []string{"does not follow a flush", "between the mark"}},
		{"a write between mark and creation", []func(*machine){flush, mark, early, flush, create}, true, []string{"between the mark"}},
	} {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		for _, step := range test.steps {
			step(m)
		}
		m.overwrite(0)
		m.end()
		opt := m.options(base)
		opt.FromMark = "frozen"
		r := explore(t, logBytes(t, 512, m.log), opt)
		if (r.BrokenImageStates > 0) != test.broken || r.LintViolations > 0 {
			t.Errorf("%s: first broken %+v, violations %v", test.name, r.FirstBroken, r.Violations)
		}
		if len(r.Warnings) != len(test.warns) {
			t.Errorf("%s: warnings %q", test.name, said(r))
			continue
		}
		for i, want := range test.warns {
			if !strings.Contains(r.Warnings[i], want) {
				t.Errorf("%s: warning %q, want %q", test.name, r.Warnings[i], want)
			}
		}
	}
}

// TestSnapshotTakenLater: the mark shows when the first snapshot froze the
// origin. A snapshot made after the origin was written under the first one has
// another moment.
func TestSnapshotTakenLater(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 64)
	base := m.image()
	m.flush()
	m.mark("frozen")
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 3)...)
	m.flush()
	first := m.cow
	later := *m
	later.cow = Region{first.Start + first.Len, first.Len}
	later.create(allocator.Fixed)
	later.flush()
	later.overwrite(chunks(0, 3)...)
	later.end()
	opt := m.options(base)
	opt.FromMark = "frozen"
	opt.COW = append(opt.COW, later.cow)
	r := explore(t, logBytes(t, 512, later.log), opt)
	if r.FirstFailure != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "store 1 was created") {
		t.Errorf("first failure %+v, warnings %q", r.FirstFailure, r.Warnings)
	}
}
