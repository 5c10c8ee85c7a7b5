package crash

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// caught says how a mutant was noticed.
func caught(r *Report) []string {
	var how []string
	add := func(n uint64, what string) {
		if n > 0 {
			how = append(how, what)
		}
	}
	add(r.CorruptStates, "corrupt")
	add(r.BrokenImageStates, "broken image")
	add(r.LeakingStates, "leak")
	for _, v := range r.Violations {
		if what := "lint: " + string(v.Rule); !slices.Contains(how, what) {
			how = append(how, what)
		}
	}
	return how
}

// TestMutantsOfTheModel: a kernel with one fault. The checker must name the
// fault, by a failing state if there is one, and by the lint.
func TestMutantsOfTheModel(t *testing.T) {
	for _, ss := range []uint64{512, 4096} {
		log, opt := mutantScenario(t, ss, noFault, 0)
		if r := explore(t, log, opt); len(caught(r)) > 0 {
			t.Errorf("a kernel without a fault is caught by %q: %+v", caught(r), r.FirstFailure)
		}
	}
	for _, m := range []struct {
		fault fault
		at    int // the copy with the fault, 0 for all
		ways  []string
	}{
		{noFlush, 0, []string{"broken image", "lint: " + string(CommitBeforeCopy)}}, // the log then has the copies after it
		{commitTooEarly, 10, []string{"broken image", "lint: " + string(CommitBeforeCopy)}},
		{writeTooEarly, 40, []string{"broken image", "lint: " + string(WriteBeforeCommit)}},
		{wrongCopy, 40, []string{"broken image"}},
		{noZeroing, 0, []string{"broken image", "lint: " + string(NextAreaNotZeroed)}},
	} {
		for _, ss := range []uint64{512, 4096} {
			t.Run(fmt.Sprintf("%s/%d", m.fault, ss), func(t *testing.T) {
				log, opt := mutantScenario(t, ss, m.fault, m.at)
				expectCaught(t, explore(t, log, opt), m.ways...)
			})
		}
	}
}

func expectCaught(t *testing.T, r *Report, ways ...string) {
	t.Helper()
	got := caught(r)
	for _, way := range ways {
		if !slices.Contains(got, way) {
			t.Errorf("not caught by %q, only by %q", way, got)
		}
	}
	if (r.CorruptStates+r.BrokenImageStates+r.LeakingStates > 0) != (r.FirstFailure != nil) {
		t.Errorf("first failure: %+v", r.FirstFailure)
	}
}

// mutantScenario fills more than an area of small chunks, on a disk with older
// contents.
func mutantScenario(t *testing.T, ss uint64, f fault, at int) ([]byte, Options) {
	m := newMachine(t, ss, cow.Sectors(ss/512), 1024, 1024)
	m.fault, m.faulty = f, at
	// The older contents: another store, with exceptions in areas 0 and 1.
	perArea := m.g.ExceptionsPerArea()
	for area := range uint64(2) {
		var dirt []byte
		for k := range perArea {
			dirt = cow.Exception{Old: cow.Chunk(500 + area*perArea + k), New: m.g.DataChunk(area*perArea + k)}.AppendTo(dirt)
		}
		m.put(m.cowBlock(m.g.AreaChunk(area)), dirt)
	}
	base := m.image()
	m.create(allocator.Fixed)
	m.flush() // otherwise a crash now would show the old store
	m.overwrite(chunks(0, 20)...)
	m.overwriteAtOnce(3, chunks(20, int(perArea)+10)...)
	m.end()
	opt := m.options(base)
	return logBytes(t, ss, m.log), opt
}

// mutation changes the order of a log's entries.
type mutation struct {
	name   string
	mutate func(x *history, log []scripted, n int) []scripted // n: the commit to damage, from 0
	ways   []string
}

// nth is the n-th entry of a kind, from 0.
func nth(x *history, k kind, n int) int {
	for i, kind := range x.kinds {
		if kind == k {
			if n--; n < 0 {
				return i
			}
		}
	}
	panic(fmt.Sprintf("the log has too few entries of the kind %v", k))
}

// before is the last entry of a kind before another one.
func before(x *history, k kind, entry int) int {
	for i := entry - 1; i >= 0; i-- {
		if x.kinds[i] == k {
			return i
		}
	}
	panic(fmt.Sprintf("no entry of the kind %v before entry %d", k, entry))
}

// move takes entry from out and puts it before entry to.
func move(log []scripted, from, to int) []scripted {
	e := log[from]
	log = slices.Delete(slices.Clone(log), from, from+1)
	if from < to {
		to--
	}
	return slices.Insert(log, to, e)
}

// mutations of a log; each damages one commit, or an entry that belongs to it.
var mutations = []mutation{
	{"drop a flush", func(x *history, log []scripted, n int) []scripted {
		flush := before(x, flushes, nth(x, commits, n))
		return slices.Delete(slices.Clone(log), flush, flush+1)
	}, []string{"broken image", "lint: " + string(CopyNotFlushed)}},
	{"move a commit before its copies", func(x *history, log []scripted, n int) []scripted {
		commit := nth(x, commits, n)
		return move(log, commit, before(x, copies, commit))
	}, []string{"broken image", "lint: " + string(CommitBeforeCopy)}},
	{"flip a bit of a copy", func(x *history, log []scripted, n int) []scripted {
		entry := before(x, copies, nth(x, commits, n))
		out := slices.Clone(log)
		out[entry].data = bytes.Clone(out[entry].data)
		out[entry].data[100] ^= 1
		return out
	}, []string{"broken image"}},
	{"skip the zeroing", func(x *history, log []scripted, n int) []scripted {
		zeroing := 0
		for i, kind := range x.kinds {
			if kind == metadata {
				zeroing = i
			}
		}
		return slices.Delete(slices.Clone(log), zeroing, zeroing+1)
	}, []string{"corrupt", "lint: " + string(NextAreaNotZeroed)}},
	{"write the origin early", func(x *history, log []scripted, n int) []scripted {
		commit := nth(x, commits, n)
		write := commit + 1
		for x.kinds[write] != origins {
			write++
		}
		return move(log, write, before(x, copies, commit))
	}, []string{"broken image", "lint: " + string(WriteBeforeCommit)}},
	{"complete out of order", func(x *history, log []scripted, n int) []scripted {
		// The copy of the next exception finishes first, and is committed in
		// place of this one.
		commit := nth(x, commits, n)
		out := slices.Clone(log)
		data := slices.Clone(out[commit].data)
		last := -1
		for slot, e := range cow.Exceptions(data) {
			if e.Terminates() {
				break
			}
			last = slot
		}
		record := data[last*cow.ExceptionSize:]
		copy(record, cow.Exception{Old: 900, New: cow.DecodeException(record).New + 1}.AppendTo(nil))
		out[commit].data = data
		return out
	}, []string{"leak", "lint: " + string(OutOfOrder)}},
}

// TestMutantsOfTheLog: a good log with one change, which the checker must
// name.
func TestMutantsOfTheLog(t *testing.T) {
	for _, ss := range []uint64{512, 4096}[:thorough.Of(1, 2)] {
		m := newMachine(t, ss, 8, 1024, 4096)
		dirty := m.pattern(0, 9)
		for area := range uint64(2) {
			m.put(m.cowBlock(m.g.AreaChunk(area)), dirty)
		}
		base := m.image()
		m.create(allocator.Fixed)
		m.flush() // otherwise a crash now would show the older contents
		m.overwrite(chunks(0, 270)...)
		m.end()
		opt := m.options(base)
		x := historyOf(t, openBytes(t, logBytes(t, ss, m.log)), opt)
		for _, mutation := range mutations {
			t.Run(fmt.Sprintf("%s/%d", mutation.name, ss), func(t *testing.T) {
				log := mutation.mutate(x, m.log, 29)
				expectCaught(t, explore(t, logBytes(t, ss, log), opt), mutation.ways...)
			})
		}
		if r := explore(t, logBytes(t, ss, m.log), opt); len(caught(r)) > 0 {
			t.Errorf("the log without a change is caught by %q: %+v", caught(r), r.FirstFailure)
		}
	}
}

// TestMutantsOfRealLog: the same changes to a log that a kernel wrote.
func TestMutantsOfRealLog(t *testing.T) {
	packed := func(name string) []byte {
		return cowtest.Unpack(t, filepath.Join("..", "..", "testdata", "crash", name))
	}
	const secondArea = 16384 + 34 // the sector of area 1: chunks have one, areas 32 exceptions
	base := append(packed("base.img.gz"), make([]byte, (secondArea+1)*512)...)[:(secondArea+1)*512]
	copy(base[secondArea*512:], bytes.Repeat([]byte{0x77}, 512)) // what a skipped zeroing leaves there
	opt := Options{
		Origin: Region{0, 16384}, COW: []Region{{16384, 32768}},
		Base: bytes.NewReader(base), BaseSize: int64(len(base)), FromMark: "frozen",
	}
	image := packed("stock.log.gz")
	log := openBytes(t, image)
	if r := explore(t, image, opt); len(caught(r)) > 0 {
		t.Errorf("the log without a change is caught by %q: %+v", caught(r), r.FirstFailure)
	}
	x := historyOf(t, log, opt)
	entries := entriesOf(t, log)
	for _, mutation := range mutations {
		t.Run(mutation.name, func(t *testing.T) {
			mutant := mutation.mutate(x, entries, 12)
			expectCaught(t, explore(t, logBytes(t, 512, mutant), opt), mutation.ways...)
		})
	}
}

// historyOf is the history of a log.
func historyOf(t testing.TB, l *logwrites.Log, opt Options) *history {
	t.Helper()
	opt.FromMark = ""
	if err := opt.prepare(context.Background(), l); err != nil {
		t.Fatal(err)
	}
	b := newBase(opt.Base, opt.BaseSize)
	lay, err := newLayout(l, b, &opt)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHistory(l, b, lay, opt.interrupted)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
