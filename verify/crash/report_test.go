package crash

import (
	"strings"
	"testing"
)

// Numbers and their nouns and verbs agree.
func TestHeadlineNumbers(t *testing.T) {
	for want, r := range map[string]Report{
		"leaking: 1 of 20 crash states loses chunks, 1 at most":                                  {States: 20, LeakingStates: 1, Worst: &Worst{Leaked: 1}},
		"leaking: 2 of 20 crash states lose chunks, 3 at most":                                   {States: 20, LeakingStates: 2, Worst: &Worst{Leaked: 3}},
		"corrupt: in 1 of 20 crash states a store does not parse or names a chunk twice":         {States: 20, CorruptStates: 1},
		"fine: none of 1 crash state leaks, is corrupt or shows a broken image":                  {States: 1, SecondCrash: &SecondCrash{}},
		"broken: in 1 of 1 crash state the snapshot shows something other than the frozen image": {States: 1, BrokenImageStates: 1},
	} {
		if got := r.Headline(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	r := Report{SecondCrash: &SecondCrash{}, Entries: 1, ExploredEntries: 1, Commits: 1, States: 1, Windows: []Window{{From: 0, To: 1}}}
	if got, want := r.inWords(), " 1 entry, with 1 commit. Crashes are bad in 1 epoch, the first"; !strings.Contains(got, want) {
		t.Errorf("%q, want %q in it", got, want)
	}
}
