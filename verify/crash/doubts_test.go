package crash

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// said is everything that a report says about its assumptions.
func said(r *Report) []string {
	texts := r.Warnings
	for _, d := range r.Doubts {
		texts = append(texts, d.Message)
	}
	return texts
}

// TestDoubts: a report that found nothing names its assumptions, until the
// options settle them.
func TestDoubts(t *testing.T) {
	for _, test := range []struct {
		name string
		work func(m *machine)
		set  func(m *machine, o *Options)
		want DoubtCode // empty for none
	}{
		{"a good log", func(m *machine) { m.overwrite(chunks(0, 20)...) }, nil, ""},
		{"another region for the origin", func(m *machine) { m.overwrite(chunks(0, 20)...) },
			func(m *machine, o *Options) { o.Origin.Start, o.Origin.Len = o.COW[0].Start+o.COW[0].Len, 64*8 }, GuessedWrites},
		{"another region, and nobody wrote to the snapshot", func(m *machine) { m.snapshotWrite(5) },
			func(m *machine, o *Options) {
				o.Origin.Start, o.Origin.Len, o.SnapshotWritten = o.COW[0].Start+o.COW[0].Len, 64*8, true
			}, UnwrittenOrigin},
		{"only the snapshot is written", func(m *machine) { m.snapshotWrite(5) }, nil, GuessedWrites},
		{"and that is said", func(m *machine) { m.snapshotWrite(5) }, func(_ *machine, o *Options) { o.SnapshotWritten = true }, UnwrittenOrigin},
		{"all of it", func(m *machine) { m.snapshotWrite(5) },
			func(_ *machine, o *Options) { o.SnapshotWritten, o.OriginUnwritten = true, true }, ""},
		{"nothing behind the mark", func(m *machine) { m.overwrite(chunks(0, 20)...); m.flush(); m.mark("late") },
			func(_ *machine, o *Options) { o.FromMark = "late" }, NothingFollows},
		{"whatever is said", func(m *machine) { m.overwrite(chunks(0, 20)...); m.flush(); m.mark("late") },
			func(_ *machine, o *Options) {
				o.FromMark, o.OriginUnwritten, o.SnapshotWritten = "late", true, true
			}, NothingFollows},
	} {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		m.create(allocator.Fixed)
		test.work(m)
		m.end()
		opt := m.options(base)
		if test.set != nil {
			test.set(m, &opt)
		}
		r := explore(t, logBytes(t, 512, m.log), opt)
		if r.FirstFailure != nil {
			t.Errorf("%s: first failure %+v", test.name, r.FirstFailure)
		}
		has := len(r.Doubts) == 0 && test.want == ""
		for _, d := range r.Doubts {
			has = has || d.Code == test.want
		}
		if !has {
			t.Errorf("%s: doubts %+v, want %q", test.name, r.Doubts, test.want)
		}
	}
}

// Entries that a log declares but does not have were not explored.
func TestLogThatBreaksOffIsDoubted(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 64)
	base := m.image()
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 20)...)
	m.end()
	whole := logBytes(t, 512, m.log)
	for _, size := range []int{len(whole), len(whole) - 512, len(whole) * 3 / 4} {
		var found []DoubtCode
		r := explore(t, whole[:size], m.options(base))
		for _, d := range r.Doubts {
			found = append(found, d.Code)
		}
		for _, w := range r.Warnings { // the doubt has said it
			if strings.Contains(w, "breaks off") {
				t.Errorf("%d of %d bytes: also a warning: %s", size, len(whole), w)
			}
		}
		if want := size < len(whole); slices.Contains(found, LogBreaksOff) != want {
			t.Errorf("%d of %d bytes: doubts %q", size, len(whole), found)
		}
	}
}

// snapshotWrite writes whole chunks to the snapshot for which nothing was
// copied.
func (m *machine) snapshotWrite(n int) {
	m.model.Committed = nil
	for c := range cow.Chunk(n) {
		flying := m.copyOut(c)
		m.write(m.cowBlock(flying.New), filled(m.ss, m.perChunk(), 's'))
		if err := m.model.Finish(flying); err != nil {
			m.t.Fatal(err)
		}
	}
}
