package crash

import (
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// TestLegalPicks: what may be durable after the last flush, depending on what
// is not. Only the order of commits restricts that, for each store and for the
// origin.
func TestLegalPicks(t *testing.T) {
	const torn = pick(0)
	commit := func(store int16) *choice { return &choice{kind: commits, store: store, ordered: true} }
	header := &choice{kind: metadata, ordered: true}
	lost := func(c *choice, p pick) chain { return chain{}.after(c, p) }
	for _, test := range []struct {
		name  string
		chain chain
		next  *choice
		pick  pick
		legal bool
	}{
		{"commits are a prefix", lost(commit(0), whole), commit(0), whole, true},
		{"no commit behind a lost one", lost(commit(0), none), commit(0), whole, false},
		{"no commit behind a torn one", lost(commit(0), torn), commit(0), whole, false},
		{"no torn commit behind a lost one", lost(commit(0), none), commit(0), torn, false},
		{"the next commit may be torn", lost(commit(0), whole), commit(0), torn, true},
		{"stores do not wait for each other", lost(commit(0), none), commit(1), whole, true},
		{"no origin write without a commit before it", lost(commit(0), none), &choice{kind: origins}, whole, false},
		{"nor with a torn one", lost(commit(0), torn), &choice{kind: origins}, whole, false},
		{"nor without another store's", lost(commit(1), none), &choice{kind: origins}, whole, false},
		{"an origin write with all commits", lost(commit(0), whole), &choice{kind: origins}, whole, true},
		{"a lost origin write binds no commit", lost(&choice{kind: origins}, none), commit(0), whole, true},
		{"any copy", lost(commit(0), none), &choice{kind: copies}, whole, true},
		{"a part of the header or of the zeroing", lost(commit(0), none), &choice{kind: metadata}, torn, true},
		{"a lost copy binds no commit", lost(&choice{kind: copies}, none), commit(0), whole, true},
		{"no commit behind a lost FUA header", lost(header, none), commit(0), whole, false},
		{"no FUA header behind a lost commit", lost(commit(0), none), header, whole, false},
		{"a FUA header may be torn", lost(commit(0), whole), header, torn, true},
		{"no origin write without the FUA header before it", lost(header, none), &choice{kind: origins}, whole, false},
		{"nor with a torn one", lost(header, torn), &choice{kind: origins}, whole, false},
		{"an origin write without a plain header", lost(&choice{kind: metadata}, none), &choice{kind: origins}, whole, true},
		{"anything may be lost", lost(commit(0), none), commit(0), none, true},
	} {
		if got := test.chain.allows(test.next, test.pick); got != test.legal {
			t.Errorf("%s: legal %v, want %v", test.name, got, test.legal)
		}
	}
}

// TestBlocksWrittenTwice: an area is zeroed and committed in one epoch, over
// records of an older store. The commit can be durable in part and the zeroing
// not at all, although a commit after the zeroing changes nothing there.
func TestBlocksWrittenTwice(t *testing.T) {
	m := newMachine(t, 512, 2, 64, 64)
	m.create(allocator.Fixed)
	var stale, records []byte
	for k := range uint64(32) {
		stale = cow.Exception{Old: cow.Chunk(60 - k%4), New: cow.Chunk(2 + k)}.AppendTo(stale)
		records = cow.Exception{Old: cow.Chunk(k), New: cow.Chunk(2 + k)}.AppendTo(records)
	}
	m.put(m.cowBlock(1)+1, stale)
	base := m.image()
	m.log, m.held = nil, nil
	for k := range uint64(32) {
		m.write(m.cowBlock(cow.Chunk(2+k)), m.get(m.originBlock(cow.Chunk(k)), 2))
	}
	m.flush()
	area := scripted{logwrites.Entry{Sector: m.cowBlock(1), Sectors: 2}, make([]byte, 1024)}
	commit := scripted{logwrites.Entry{Sector: m.cowBlock(1), Sectors: 2, Flags: logwrites.FUA}, append(records, make([]byte, 512)...)}
	m.log = append(m.log, area, commit)
	m.end()
	opt := m.options(base)
	r := explore(t, logBytes(t, 512, m.log), opt)
	if r.FirstCorrupt == nil || r.FirstCorrupt.State != "32+34:0" {
		t.Errorf("%d corrupt states, the first %+v", r.CorruptStates, r.FirstCorrupt)
	}
	if c := r.Coverage; c.ExhaustiveEpochs == 0 {
		t.Errorf("coverage %+v", c)
	}
}

// TestSameContentAgain: if an earlier epoch gave a block the same content,
// writing it again is not a choice: whether it is durable changes nothing.
func TestSameContentAgain(t *testing.T) {
	states := func(generation byte) uint64 {
		m := newMachine(t, 512, 8, 64, 64)
		base := m.image()
		m.create(allocator.Fixed)
		m.overwrite(0)
		m.flush()
		m.write(m.cowBlock(20), m.pattern(20, 1)) // named by no exception
		m.flush()
		m.write(m.cowBlock(20), m.pattern(20, generation))
		m.flush()
		m.end()
		r := explore(t, logBytes(t, 512, m.log), m.options(base))
		return r.States
	}
	// If the content differs, the write is durable or not, or one of its 8
	// blocks is missing or is the only one there. If it is the same, there is
	// one state.
	if same, other := states(1), states(2); other-same != 1+2*8 {
		t.Errorf("%d states with the same content, %d with another", same, other)
	}
}
