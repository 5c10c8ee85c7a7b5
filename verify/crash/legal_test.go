package crash

import "testing"

// TestLegalPicks: what may be durable behind the last flush, depending on what
// is not: the order of commits binds each store and the origin, and nothing
// else.
func TestLegalPicks(t *testing.T) {
	const torn = pick(0)
	commit := func(store int16) *choice { return &choice{kind: commits, store: store} }
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
		{"anything may be lost", lost(commit(0), none), commit(0), none, true},
	} {
		if got := test.chain.allows(test.next, test.pick); got != test.legal {
			t.Errorf("%s: legal %v, want %v", test.name, got, test.legal)
		}
	}
}
