package crash

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// findingLog is a log and its base image of docs/crash-findings.md.
func findingLog(t *testing.T, name string, storeSectors cow.Sectors) ([]scripted, Options) {
	t.Helper()
	unpack := func(ending string) []byte {
		return cowtest.Unpack(t, filepath.Join("..", "..", "testdata", "crash", name+ending+".gz"))
	}
	base := unpack(".img")
	return entriesOf(t, openBytes(t, unpack(".log"))), Options{
		Origin: Region{0, 16384}, COW: []Region{{16384, storeSectors}},
		Base: bytes.NewReader(base), BaseSize: int64(len(base)), FromMark: "frozen",
	}
}

func entriesOf(t *testing.T, log *logwrites.Log) []scripted {
	t.Helper()
	var entries []scripted
	for _, e := range log.Entries() {
		s := scripted{Entry: e}
		if e.HasData() {
			s.data = make([]byte, e.Sectors*log.SectorSize)
			if err := log.ReadData(e, 0, s.data); err != nil {
				t.Fatal(err)
			}
		}
		entries = append(entries, s)
	}
	return entries
}

// TestFlushedInvalidation: the log of an invalidation has bad states. If the
// header is written after a flush and with FUA, it has none, and both are
// needed.
func TestFlushedInvalidation(t *testing.T) {
	log, opt := findingLog(t, "invalidation", 336)
	header := -1
	for i, e := range log {
		if e.Sector == 16384 && e.Sectors == 8 {
			header = i
		}
	}
	changed := func(flags logwrites.Flags, flush bool) []scripted {
		out := slices.Clone(log)
		out[header].Flags |= flags
		if flush {
			out = slices.Insert(out, header, scripted{logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}, nil})
		}
		return out
	}
	for _, c := range []struct {
		name   string
		log    []scripted
		broken bool
	}{
		{"as recorded", log, true},
		{"behind a flush only", changed(0, true), true},
		{"with both", changed(logwrites.FUA, true), false},
	} {
		r := explore(t, logBytes(t, 512, c.log), opt)
		if got := r.BrokenImageStates > 0; got != c.broken || r.CorruptStates+r.LeakingStates > 0 || r.AbandonedStates == 0 {
			t.Errorf("%s: %d broken, %d corrupt, %d leaking, %d invalid states", c.name, r.BrokenImageStates, r.CorruptStates, r.LeakingStates, r.AbandonedStates)
		}
	}
}

// TestMendedCreation: on a disk that contained another store, a kernel that
// writes the header last and with FUA leaves no state with old exceptions.
func TestMendedCreation(t *testing.T) {
	for kernel, broken := range map[allocator.Kernel]bool{allocator.Fixed: true, allocator.Mended: false} {
		m := newMachine(t, 512, 8, 64, 64)
		var dirt []byte
		for k := range uint64(20) {
			dirt = cow.Exception{Old: cow.Chunk(40 + k), New: m.g.DataChunk(k)}.AppendTo(dirt)
		}
		m.put(m.cowBlock(1), append(dirt, make([]byte, 512-len(dirt)%512)...))
		base := m.image()
		m.mark("frozen")
		m.create(kernel)
		m.overwrite(0, 1, 2)
		m.end()
		opt := m.options(base)
		opt.FromMark, opt.Expect = "frozen", kernel
		r := explore(t, logBytes(t, 512, m.log), opt)
		if (r.BrokenImageStates > 0) != broken || r.CorruptStates+r.LeakingStates > 0 {
			t.Errorf("%s: %d broken, %d corrupt and %d leaking states: %+v", kernel, r.BrokenImageStates, r.CorruptStates, r.LeakingStates, r.FirstFailure)
		}
	}
}

// TestMendedActivation: records that a torn commit left after the terminator
// never become valid if the kernel forgets them when it activates the store.
func TestMendedActivation(t *testing.T) {
	log, opt := findingLog(t, "torn", 32768)
	opt.Crashes = 2
	for kernel, bad := range map[allocator.Kernel]bool{allocator.Fixed: true, allocator.Mended: false} {
		opt.Expect = kernel
		r := explore(t, logBytes(t, 512, log), opt)
		if c := r.SecondCrash; c.States == 0 || c.Bad() != bad || c.Leaking > 0 || r.StaleStates == 0 {
			t.Errorf("%s: second crashes %+v, %d stale states after the first", kernel, *c, r.StaleStates)
		}
	}
}

// TestStatesOfOneEpoch: the states of an epoch are those that the rules allow,
// subset by subset. The test applies the rules to pairs of entries.
func TestStatesOfOneEpoch(t *testing.T) {
	for seed := range uint64(40) {
		m := newMachine(t, 512, 1, 16, 64)
		m.create(allocator.Fixed)
		m.flush()
		m.overwrite(0)
		m.flush()
		base := m.image()
		m.log, m.held = nil, nil
		m.mark("frozen")
		m.flush()
		first := len(m.log)
		for i := range 8 {
			fill := filled(512, 1, byte(i+1))
			switch (seed * 2654435761 >> (4 * i)) % 5 {
			case 0:
				m.fua(m.cowBlock(1), append(cow.Exception{Old: cow.Chunk(i), New: cow.Chunk(3 + i)}.AppendTo(m.get(m.cowBlock(1), 1)[:16]), make([]byte, 480)...))
			case 1:
				m.fua(m.cowBlock(0), append(m.get(m.cowBlock(0), 1)[:500], fill[:12]...))
			case 2:
				m.write(m.cowBlock(cow.Chunk(3+i)), fill)
			case 3:
				m.write(m.cowBlock(0), append(m.get(m.cowBlock(0), 1)[:500], fill[:12]...))
			case 4:
				m.write(m.originBlock(cow.Chunk(i)), fill)
			}
			m.log = append(m.log, m.held...)
			m.held = nil
		}
		m.mark(logwrites.EndMark)
		got := map[string]bool{}
		opt := m.options(base)
		opt.FromMark = "frozen"
		log := openBytes(t, logBytes(t, 512, m.log))
		everyState(t, log, opt, func(v *visitor) {
			if s := v.epoch.name(); s.Durable >= first-1 {
				got[s.String()] = true
			}
		})
		want := subsetsByHand(m, first)
		if !maps.Equal(got, want) {
			t.Errorf("seed %d: %d states, by hand %d, of\n%v", seed, len(got), len(want), m.log[first:])
		}
	}
}

// subsetsByHand returns the states after an entry that is a flush: every
// subset in which each FUA write of the store, and each origin write, has all
// earlier FUA writes of the store.
func subsetsByHand(m *machine, first int) map[string]bool {
	entries := m.log[first : len(m.log)-1]
	fua := func(e scripted) bool { return e.Flags&logwrites.FUA != 0 }
	states := map[string]bool{}
	for set := range 1 << len(entries) {
		s := State{Durable: first - 1}
		legal := true
		for i, e := range entries {
			if set>>i&1 == 0 {
				continue
			}
			s.Chosen = append(s.Chosen, Choice{Entry: first + i})
			for k, before := range entries[:i] {
				waits := fua(e) || e.Sector < m.cowBlock(0)
				legal = legal && (set>>k&1 != 0 || !fua(before) || !waits)
			}
		}
		if legal {
			states[s.String()] = true
		}
	}
	return states
}
