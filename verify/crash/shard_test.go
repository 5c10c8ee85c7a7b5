package crash

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// drawLog is a log of some workload on some kernel with some fault.
func drawLog(t *rapid.T, tb testing.TB) (*logwrites.Log, Options) {
	m := newMachine(tb, rapid.SampledFrom([]uint64{512, 4096}).Draw(t, "block"), 8, 128, 512)
	m.put(m.cowBlock(m.g.AreaChunk(0)), m.pattern(3, 3))
	base := m.image()
	m.fault = rapid.SampledFrom([]fault{noFault, noFault, noFlush, commitTooEarly, noZeroing, writeTooEarly, wrongCopy}).Draw(t, "fault")
	m.faulty = rapid.IntRange(1, 20).Draw(t, "faulty")
	kernel := rapid.SampledFrom([]allocator.Kernel{allocator.Fixed, allocator.Leaky}).Draw(t, "kernel")
	m.create(kernel)
	next := cow.Chunk(0)
	for range rapid.IntRange(1, 6).Draw(t, "rounds") {
		n := rapid.IntRange(1, 12).Draw(t, "chunks")
		if rapid.Bool().Draw(t, "at once") {
			m.overwriteAtOnce(min(n, 2), chunks(int(next), n)...)
		} else {
			m.overwrite(chunks(int(next), n)...)
		}
		next += cow.Chunk(n)
		if rapid.Bool().Draw(t, "discard") {
			m.held = append(m.held, discarded(m.originBlock(rapid.SampledFrom([]cow.Chunk{0, 100}).Draw(t, "discarded")), m.perChunk()))
		}
		if rapid.Bool().Draw(t, "rewrite") {
			m.write(m.originBlock(0), m.pattern(0, 200))
		}
	}
	m.end()
	opt := m.options(base)
	opt.Expect, opt.Exhaustive = kernel, 256
	opt.Reorder = rapid.SampledFrom([]int{16, 3 * partStates / 2}).Draw(t, "reorder")
	opt.Crashes = rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "crashes")
	if opt.Crashes == 2 {
		opt.Reorder = 16
	}
	return openBytes(tb, logBytes(tb, m.ss, m.log)), opt
}

// alike returns a report without the parts that may differ between two runs.
func alike(r *Report) *Report {
	out := *r
	out.Seconds, out.Timeline, out.Shard = 0, nil, Shard{}
	out.Epochs, out.Drawn = nil, nil // of a log, not of a report that was read
	return &out
}

// TestSumOfShards: the report is the same for any division of an exploration
// among workers and among shards, and no matter how often the past is
// forgotten. It survives encoding.
func TestSumOfShards(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		log, opt := drawLog(rt, t)
		run := func(jobs, cells int, shard Shard) *Report {
			o := opt
			o.Jobs, o.cells, o.Shard = jobs, cells, shard
			r, err := Explore(context.Background(), log, o)
			if err != nil {
				rt.Fatal(err)
			}
			return r
		}
		whole := run(1, 1<<20, Shard{})
		if diff := cmp.Diff(alike(whole), alike(run(rapid.IntRange(2, 4).Draw(rt, "jobs"), -1, Shard{}))); diff != "" {
			rt.Fatalf("with several workers (-one +several):\n%s", diff)
		}
		n := rapid.IntRange(1, 5).Draw(rt, "shards")
		var reports []*Report
		for i := range n {
			text, err := json.Marshal(run(2, 0, Shard{n - i, n}))
			if err != nil {
				rt.Fatal(err)
			}
			var r Report
			if err := json.Unmarshal(text, &r); err != nil {
				rt.Fatal(err)
			}
			reports = append(reports, &r)
		}
		sum, err := Combine(reports)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(alike(whole), alike(sum)); diff != "" {
			rt.Fatalf("%d shards (-whole +sum):\n%s", n, diff)
		}
	})
}

// TestCombineRefuses shards that are missing, duplicated, foreign or
// interrupted.
func TestCombineRefuses(t *testing.T) {
	log, opt := scenario(t, allocator.Fixed, 512, noFault, 0)
	opt.Reorder = 8
	type part struct {
		seed  uint64
		shard Shard
	}
	explored := map[part]*Report{}
	shard := func(seed uint64, i, n int) *Report {
		p := part{seed, Shard{i, n}}
		if explored[p] == nil {
			o := opt
			o.Seed, o.Shard = p.seed, p.shard
			explored[p] = explore(t, log, o)
		}
		r := *explored[p]
		return &r
	}
	broken := shard(1, 2, 3)
	broken.ExploredEntries--
	for _, test := range []struct {
		reports []*Report
		want    string // empty where they make one
	}{
		{[]*Report{shard(1, 1, 3), shard(1, 3, 3), shard(1, 2, 3)}, ""},
		{nil, "there are none"},
		{[]*Report{shard(1, 1, 3), shard(1, 3, 3)}, "shard 2/3 is missing"},
		{[]*Report{shard(1, 1, 2), shard(1, 1, 2), shard(1, 2, 2)}, "shard 1/2 is duplicated"},
		{[]*Report{shard(1, 1, 2), shard(2, 2, 2)}, "report 2 is of another log, or was made with other options"},
		{[]*Report{shard(1, 1, 2), shard(1, 2, 3)}, "report 2 is one of 3 shards, the first one of 2"},
		{[]*Report{shard(1, 1, 3), broken, shard(1, 3, 3)}, "report 2 was interrupted"},
		{[]*Report{explore(t, log, opt)}, "report 1 is not of a shard"},
		{[]*Report{{}}, "report 1 is not of a shard"},
	} {
		_, err := Combine(test.reports)
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrCombine) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%d reports: %v, want %q", len(test.reports), err, test.want)
		}
	}
}

// TestParseShard: parts are counted from one.
func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"1/1": {1, 1}, "3/8": {3, 8}, "0/2": {}, "3/2": {}, "": {}, "1": {}, "-1/2": {}, "1/0": {}, "1/99999999": {}} {
		if got, err := ParseShard(text); got != want || (err == nil) != (want.Of > 0) {
			t.Errorf("%q is shard %v, %v", text, got, err)
		}
	}
}
