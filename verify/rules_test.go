package verify

import "testing"

// The worst finding decides, no matter what else was found.
func TestVerdictOf(t *testing.T) {
	for _, tt := range []struct {
		codes []Code
		want  Verdict
	}{
		{nil, Clean},
		{[]Code{NoRoomForTerminator}, Clean},
		{[]Code{StaleRecord}, Stale},
		{[]Code{StaleRecord, LeakedChunks}, Leaked},
		{[]Code{LeakedChunks, StaleRecord, DuplicateCOWChunk}, Corrupt},
		{[]Code{LeakedChunks, DuplicateCOWChunk, SnapshotInvalid}, Invalid},
	} {
		var f findings
		for _, c := range tt.codes {
			f.note(c, 1, func() Finding { return Finding{} })
		}
		if got := verdictOf(&f); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.codes, got, tt.want)
		}
	}
}
