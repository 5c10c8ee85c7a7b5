// Doubts: assumptions of a verdict that neither the log nor the options settle.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// DoubtCode names a kind of doubt.
type DoubtCode string

// The kinds of doubt.
const (
	// GuessedWrites: somebody seems to have written to the snapshot, so
	// contents other than the frozen origin's were accepted.
	// Options.SnapshotWritten or ReadOnlySnapshot settles it.
	GuessedWrites DoubtCode = "guessed-snapshot-writes"
	// UnwrittenOrigin: the log never writes to the origin while it has a
	// snapshot. It may be another region. Options.OriginUnwritten settles it.
	UnwrittenOrigin DoubtCode = "unwritten-origin"
	// NothingFollows: nothing is written to the origin or the stores after the
	// freeze.
	NothingFollows DoubtCode = "nothing-follows"
	// UnknownOrigin: without a base image, contents were not compared with the
	// frozen origin.
	UnknownOrigin DoubtCode = "unknown-origin"
	// NoCommonMark: the log of the layer above and the one below have no common
	// mark after the freeze, so nothing could be demanded.
	NoCommonMark DoubtCode = "no-common-mark"
	// LogBreaksOff: the log says that it has more entries than can be read.
	LogBreaksOff DoubtCode = "log-breaks-off"
)

// Doubt is an assumption behind a verdict without failures: with a doubt,
// "nothing was found" is not an answer. Failures that were found stand.
type Doubt struct {
	Code    DoubtCode `json:"code"`
	Message string    `json:"message"`
}

// doubts are the assumptions behind the verdict of an exploration.
func (x *exploration) doubts() []Doubt {
	found := []Doubt{}
	note := func(code DoubtCode, format string, args ...any) {
		found = append(found, Doubt{code, fmt.Sprintf(format, args...)})
	}
	if x.log.Cut != "" {
		note(LogBreaksOff, "the log breaks off at %s: what was written from there on was not explored", x.log.Cut)
	}
	begin := never // the earliest freeze
	for i, s := range x.facts {
		begin = min(begin, max(s.freeze, s.born))
		if s.evidence != "" && !x.opt.SnapshotWritten && !x.opt.ReadOnlySnapshot {
			note(GuessedWrites, "store %d: %s; somebody wrote to the snapshot, it seems, and other contents than the frozen origin's are taken for such writes", i, s.evidence)
		}
		if n := s.assumed(x.opt); n > 0 && x.opt.Base == nil {
			note(UnknownOrigin, "store %d: what was first written for %s cannot be compared with the frozen origin without a base image, and is assumed to be right", i, count.Of(n, "chunk"))
		}
	}
	if x.upper != nil && (len(x.upper.marks) == 0 || x.upper.marks[len(x.upper.marks)-1].lower < begin) {
		note(NoCommonMark, "the log of the layer above has no mark in common with this one after entry %d: nothing that it flushed was looked for", begin)
	}
	switch origin, any := x.writtenFrom(begin); {
	case !any:
		note(NothingFollows, "nothing is written to origin or stores after entry %d, where the origin was frozen", begin)
	case !origin && !x.opt.OriginUnwritten:
		note(UnwrittenOrigin, "the log never writes to the origin after entry %d, where it was frozen: that may be another region of the device", begin)
	}
	return found
}

// writtenFrom reports whether the origin, and whether anything, is written from
// an entry on.
func (h *history) writtenFrom(entry int) (origin, any bool) {
	for _, k := range h.kinds[min(entry, len(h.kinds)):] {
		if k > flushes {
			any = true
			origin = origin || k == origins
		}
	}
	return origin, any
}
