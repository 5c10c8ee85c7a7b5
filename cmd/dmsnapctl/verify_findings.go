// The findings of a report in the text of verify: one line for each kind.

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// shownRanges bounds the places listed in a line; the JSON has all of them.
const shownRanges = 8

// kind is a kind of finding, and the findings of it that are in the report.
type kind struct {
	code    verify.Code
	written []verify.Finding
}

// kindsOf returns the kinds of findings in a report, in the order of the first of
// each; kinds that were only counted come last.
func kindsOf(r *verify.Report) (kinds []kind) {
	at := map[verify.Code]int{}
	for _, f := range r.Findings {
		i, known := at[f.Code]
		if !known {
			i, at[f.Code] = len(kinds), len(kinds)
			kinds = append(kinds, kind{code: f.Code})
		}
		kinds[i].written = append(kinds[i].written, f)
	}
	for _, code := range slices.Sorted(maps.Keys(r.Counts)) {
		if _, known := at[code]; !known {
			kinds = append(kinds, kind{code: code})
		}
	}
	return kinds
}

// printFindings writes a line for each kind of finding.
func printFindings(w io.Writer, r *verify.Report) {
	for _, k := range kindsOf(r) {
		text := kindText(r, k)
		if len(k.written) == 0 && k.code != verify.LeakedChunks {
			text += "; --max-findings shows where"
		}
		_, _ = fmt.Fprintf(w, "  %s\t%s: %s\n", verify.SeverityOf(k.code), k.code, output.Name(text))
	}
}

// kindText says how many findings of a kind there are, and where.
func kindText(r *verify.Report, k kind) string {
	n, written := r.Counts[k.code], k.written
	switch {
	case k.code == verify.LeakedChunks && len(written) != 1:
		return leakText(r)
	case len(written) == 0:
		return count.Of(n, "time")
	case n == 1 || k.code == verify.LeakedChunks:
		return written[0].Message
	}
	where := places(written)
	if more := n - uint64(len(written)); more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d times, %s; the first: %s", n, where, written[0].Message)
}

// leakText names the ranges that leaked.
func leakText(r *verify.Report) string {
	var names []string
	for _, l := range r.Leaks.Ranges[:min(len(r.Leaks.Ranges), shownRanges)] {
		names = append(names, strings.TrimPrefix(strings.TrimPrefix(l.String(), "chunks "), "chunk "))
	}
	ranges := uint64(len(r.Leaks.Ranges)) + r.Leaks.RangesOmitted
	if more := ranges - uint64(len(names)); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	unread := ""
	if r.Unreadable() {
		unread = ", as far as they could be read"
	}
	return fmt.Sprintf("%s (%s) that no exception names%s, in %s: chunks %s", count.Of(r.Leaks.Chunks, "chunk"), count.Bytes(r.Leaks.Bytes),
		unread, count.Of(ranges, "range"), strings.Join(names, ", "))
}

// places are the areas that findings are about, with the first and the last
// record of each.
func places(all []verify.Finding) string {
	type span struct{ area, first, last uint64 }
	var spans []span
	for _, f := range all {
		if f.Area == nil {
			return fmt.Sprintf("from byte %d on", all[0].Offset)
		}
		slot := uint64(0)
		if f.Slot != nil {
			slot = *f.Slot
		}
		at := slices.IndexFunc(spans, func(s span) bool { return s.area == *f.Area })
		if at < 0 {
			at = len(spans)
			spans = append(spans, span{*f.Area, slot, slot})
		}
		spans[at].first, spans[at].last = min(spans[at].first, slot), max(spans[at].last, slot)
	}
	var names []string
	for _, s := range spans[:min(len(spans), shownRanges)] {
		if s.first == s.last {
			names = append(names, fmt.Sprintf("area %d record %d", s.area, s.first))
		} else {
			names = append(names, fmt.Sprintf("area %d records %d to %d", s.area, s.first, s.last))
		}
	}
	if more := len(spans) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %s", count.Of(more, "more area")))
	}
	return strings.Join(names, ", ")
}
