package verify

import (
	"errors"
	"strings"
	"testing"
)

// TestErr: why a store is not used, of which reasons the first that applies.
func TestErr(t *testing.T) {
	reported := func(verdict Verdict, codes ...Code) *Report {
		r := &Report{Verdict: verdict, Usage: &Usage{}, Counts: map[Code]uint64{}}
		for _, c := range codes {
			r.Counts[c]++
			r.Findings = append(r.Findings, Finding{Code: c, Severity: SeverityOf(c), Message: "message of " + string(c)})
		}
		return r
	}
	foreign := reported(Unrecognized, BadMagic)
	foreign.Usage = nil
	unlisted := reported(Corrupt, LeakedChunks)
	unlisted.Counts[DuplicateCOWChunk] = 3
	for name, tt := range map[string]struct {
		report  *Report
		allowed []Code
		want    error
		says    Code
	}{
		"sound":                    {report: reported(Clean)},
		"empty":                    {report: &Report{Verdict: Empty}},
		"leaked and stale":         {report: reported(Leaked, LeakedChunks, StaleRecord)},
		"foreign":                  {foreign, nil, ErrNotStore, BadMagic},
		"foreign, whatever is let": {foreign, []Code{BadMagic}, ErrNotStore, BadMagic},
		"damaged":                  {reported(Corrupt, LeakedChunks, DuplicateCOWChunk), nil, ErrDamaged, DuplicateCOWChunk},
		"damage not listed":        {unlisted, nil, ErrDamaged, DuplicateCOWChunk},
		"invalidated":              {reported(Invalid, SnapshotInvalid), nil, ErrInvalid, SnapshotInvalid},
		"invalidated and damaged":  {reported(Invalid, SnapshotInvalid, DuplicateCOWChunk), nil, ErrInvalid, SnapshotInvalid},
		"allowed":                  {report: reported(Invalid, SnapshotInvalid), allowed: []Code{SnapshotInvalid}},
		"one of two allowed":       {reported(Invalid, SnapshotInvalid, DuplicateCOWChunk), []Code{SnapshotInvalid}, ErrDamaged, DuplicateCOWChunk},
		"unreadable and damaged":   {reported(Corrupt, DuplicateCOWChunk, UnreadableArea), nil, ErrUnreadable, UnreadableArea},
		"unreadable is not let":    {reported(Corrupt, UnreadableArea), []Code{UnreadableArea}, ErrUnreadable, UnreadableArea},
	} {
		err := tt.report.Err(tt.allowed...)
		if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), string(tt.says)) {
			t.Errorf("%s: %v, want %v about %s", name, err, tt.want, tt.says)
		}
	}
}
