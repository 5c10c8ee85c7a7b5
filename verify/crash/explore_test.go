package crash

import (
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

func TestFixedKernelSurvives(t *testing.T) {
	for _, ss := range []uint64{512, 4096} {
		log, opt := scenario(t, allocator.Fixed, ss, noFault, 0)
		r := explore(t, log, opt)
		if r.LeakingStates+r.CorruptStates+r.BrokenImageStates+r.LintViolations != 0 || r.FirstFailure != nil {
			t.Errorf("blocks of %d: %+v, violations %v", ss, r, r.Violations)
		}
		if r.States < 2000 || r.Commits != 202 {
			t.Errorf("blocks of %d: %d states, %d commits", ss, r.States, r.Commits)
		}
		if torn := r.StaleStates > 0; torn != (ss == 512) { // a commit of one block cannot be torn
			t.Errorf("blocks of %d: %d states with stale records", ss, r.StaleStates)
		}
	}
}

func TestLeakyKernelLeaks(t *testing.T) {
	for _, ss := range []uint64{512, 4096} {
		log, opt := scenario(t, allocator.Leaky, ss, noFault, 0)
		opt.Expect = allocator.Leaky
		r := explore(t, log, opt)
		if r.CorruptStates+r.BrokenImageStates+r.LintViolations != 0 {
			t.Errorf("blocks of %d: %+v, violations %v", ss, r, r.Violations)
		}
		if r.LeakingStates == 0 || r.Worst.Leaked < 6 || r.FirstLeak == nil || r.FirstFailure != r.FirstLeak {
			t.Errorf("blocks of %d: %d leaking states, worst %+v, first %+v, first failure %+v", ss, r.LeakingStates, r.Worst, r.FirstLeak, r.FirstFailure)
		}
		opt.Expect = allocator.Fixed
		if r := explore(t, log, opt); r.FirstFailure == nil || r.FirstFailure != r.FirstLeak || r.LintViolations == 0 {
			t.Errorf("blocks of %d: where the fix is expected, the first failure is %+v, %d violations", ss, r.FirstFailure, r.LintViolations)
		}
	}
}

// TestSnapshotWrites: writes to the snapshot make other contents admissible,
// unless an option says that there were none.
func TestSnapshotWrites(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 64)
	base := m.image()
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 3)...)
	// A write to the snapshot's chunk 1, which was copied to chunk 3 already:
	// one block of it, and later the same again.
	m.write(m.cowBlock(3)+2, filled(512, 1, 's'))
	m.overwrite(4)
	m.write(m.cowBlock(3)+2, filled(512, 1, 't'))
	// One that covers chunk 9: nothing is copied, its data goes to the store,
	// and then the exception is committed.
	c := m.copyOut(9)
	m.model.Committed = nil
	m.write(m.cowBlock(c.New), filled(512, 8, 'u'))
	if err := m.model.Finish(c); err != nil {
		t.Fatal(err)
	}
	m.end()
	opt := m.options(base)
	log := logBytes(t, 512, m.log)
	r := explore(t, log, opt)
	if r.FirstFailure != nil || len(said(r)) != 1 {
		t.Errorf("first failure %+v, warnings %q", r.FirstFailure, said(r))
	}
	opt.ReadOnlySnapshot = true
	if r := explore(t, log, opt); r.FirstBroken == nil || len(said(r)) != 0 {
		t.Errorf("read only: first broken %+v, warnings %q", r.FirstBroken, said(r))
	}
}

// TestDiscards: a discard of the origin is judged like any other write.
func TestDiscards(t *testing.T) {
	discarded := func(early bool) *Report {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		m.create(allocator.Fixed)
		m.overwrite(chunks(0, 3)...)
		discard := scripted{logwrites.Entry{Sector: m.originBlock(5), Sectors: 8, Flags: logwrites.Discard}, nil}
		if early {
			m.held = append(m.held, discard)
		}
		m.model.Committed = nil
		m.finish(m.copyOut(5))
		m.held = append(m.held, discard)
		m.end()
		return explore(t, logBytes(t, 512, m.log), m.options(base))
	}
	if r := discarded(false); r.FirstFailure != nil || r.LintViolations > 0 {
		t.Errorf("a discard behind its copy: %+v, %v", r.FirstFailure, r.Violations)
	}
	if r := discarded(true); r.FirstBroken == nil || r.LintViolations == 0 {
		t.Errorf("a discard before its copy: %+v, %v", r.FirstBroken, r.Violations)
	}
}

// TestRegionUnits: regions are in sectors of the log, whether or not they are
// multiples of anything. If a store is found only with sectors of 512 bytes,
// they are in those.
func TestRegionUnits(t *testing.T) {
	m := newMachine(t, 4096, 8, 50, 61)
	m.create(allocator.Fixed)
	m.end()
	image := logBytes(t, 4096, m.log)
	for _, test := range []struct {
		stores []Region
		want   cow.Sectors
	}{
		{[]Region{{50, 61}}, 8},
		{[]Region{{400, 488}}, 1},
		{[]Region{{401, 488}}, 8},
		{[]Region{{51, 60}}, 8},
		{[]Region{{50, 10}, {400, 10}}, 8},
		{[]Region{{1 << 53, 10}}, 8},
		{nil, 8},
	} {
		if got, err := Unit(openBytes(t, image), nil, 0, test.stores); got != test.want || err != nil {
			t.Errorf("%v count units of %d sectors, want %d, %v", test.stores, got, test.want, err)
		}
	}
	if r, err := (Region{1 << 52, 1}).Times(8); err == nil {
		t.Errorf("a region behind the end of all devices became %v", r)
	}
}

// TestFixedKernelOnLeakedStore: a log that begins with a store in use, in
// which a leaky kernel lost chunks, is judged from its first entry on. What
// the fixed kernel adds is in order.
func TestFixedKernelOnLeakedStore(t *testing.T) {
	m := newMachine(t, 512, 1, 128, 256)
	m.create(allocator.Leaky)
	var flying []allocator.Copy
	for _, c := range chunks(0, 40) {
		flying = append(flying, m.copyOut(c))
	}
	for i := len(flying) - 1; i >= 4; i-- { // fills an area, and is cut off
		m.finish(flying[i])
	}
	m.log, m.held = nil, nil
	model, err := allocator.Activate(allocator.Fixed, m.bounds(), func(area uint64, buf []byte) error {
		copy(buf, m.get(m.cowBlock(m.g.AreaChunk(area)), m.perChunk()))
		return nil
	}, m.store)
	if err != nil {
		t.Fatal(err)
	}
	m.attach(model)
	base := m.image()
	m.overwrite(chunks(60, 10)...)
	m.overwriteAtOnce(3, chunks(80, 30)...)
	m.end()
	r := explore(t, logBytes(t, 512, m.log), m.options(base))
	if r.CorruptStates+r.BrokenImageStates+r.LintViolations != 0 {
		t.Errorf("%+v, violations %v", r, r.Violations)
	}
	if r.LeakingStates != r.States || r.Worst.Leaked != 8 || r.Coverage.FirstEntry != 0 {
		t.Errorf("%d of %d states leak, the worst %+v", r.LeakingStates, r.States, r.Worst)
	}
}
