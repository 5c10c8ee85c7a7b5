// The text that verify prints: the report for people.

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

func printReport(o *console, r *judged) error {
	if o.json {
		return o.printJSON(r)
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s: %s\n", output.Name(r.Path), o.colored(verdictCode(r.Report), verdictLine(r.Report)))
	if r.Geometry != nil {
		printFigures(w, r.Report)
	}
	if r.Verdict != verify.Unrecognized {
		printFindings(w, r.Report)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := printAdvice(o.out, r.Advice); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// verdictLine is the verdict and its most important detail.
func verdictLine(r *verify.Report) string {
	switch r.Verdict {
	case verify.Leaked:
		return fmt.Sprintf("leaked: %s lost (%s)", count.Of(r.Leaks.Chunks, "chunk"), count.Bytes(r.Leaks.Bytes))
	case verify.Empty:
		return "empty: no store yet; the kernel makes one when a snapshot is created on it"
	case verify.Unsettled:
		return "unsettled: " + unsettledWhy(r)
	case verify.Unrecognized:
		if len(r.Findings) > 0 {
			return "unrecognized: " + r.Findings[0].Message
		}
	}
	if r.Partial {
		return string(r.Verdict) + " so far (not read to the end)"
	}
	if r.HeaderOnly {
		return string(r.Verdict) + " (only the header was read)"
	}
	return string(r.Verdict)
}

// unsettledWhy says what cannot be decided while the kernel uses the store.
func unsettledWhy(r *verify.Report) string {
	switch n := r.Live.InFlightChunks; {
	case n == 0:
		return "records after the end of the list may be a write in flight"
	case r.Live.Merging:
		return count.Of(n, "chunk") + " that no exception names: leaked, or already merged"
	default:
		return count.Of(n, "chunk") + " that no exception names: leaked, or copies in flight"
	}
}

func printFigures(w io.Writer, r *verify.Report) {
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", name, output.Name(fmt.Sprintf(format, args...)))
	}
	line("chunk size", "%s (%s), %d exceptions to an area", count.Bytes(r.Geometry.ChunkBytes), count.Of(r.Header.ChunkSectors, "sector"), r.Geometry.ExceptionsPerArea)
	if l := r.Live; l != nil {
		if l.Settled {
			line("live", "status line %q before and after; read %s", l.Status, count.Of(l.Attempts, "time"))
		} else {
			line("live", "in constant use (last status line %q); the figures are from reading %d", l.Status, l.Attempts)
		}
	}
	u := r.Usage
	if u == nil {
		return
	}
	line("exceptions", "%d in %s", u.Exceptions, count.Of(u.Areas, "area"))
	line("allocated", "%d of %d sectors, %d of them metadata", u.AllocatedSectors, u.TotalSectors, u.MetadataSectors)
	line("next free", "chunk %d of %d", u.NextFreeChunk, r.Geometry.DeviceChunks)
	if r.Order.Canonical {
		line("order", "canonical: exceptions are in allocation order")
	} else {
		line("order", "not canonical from exception %d on, %s", *r.Order.FirstDeviation, count.Of(r.Order.Descents, "descent"))
	}
	if r.Forensics != nil {
		printForensics(line, r.Forensics)
	}
}

// shownGroups bounds the crashes listed in the text; the JSON has all of them.
const shownGroups = 10

func printForensics(line func(name, format string, args ...any), f *verify.Forensics) {
	if f.LeakyKernel != nil && *f.LeakyKernel {
		line("kernel", "a kernel without the leak fix wrote this store: exceptions were not committed in allocation order")
	}
	if f.CVE20134299 > 0 {
		line("kernel", "signs of CVE-2013-4299: %s on metadata chunks", count.Of(f.CVE20134299, "exception"))
	}
	if f.CrashesAtLeast > 0 {
		line("crashes", "at least %d, if the store was never partly merged", f.CrashesAtLeast)
	}
	for i, g := range f.Groups {
		if i == shownGroups {
			line("", "... and %d more; --json shows them", len(f.Groups)-i)
			break
		}
		line("", "with %s committed: %s leaked among chunks %d-%d", count.Of(g.Exceptions, "exception"), count.Of(g.Chunks, "chunk"), g.FirstChunk, g.LastChunk)
	}
	if f.UnexplainedChunks > 0 {
		line("merge", "%s leaked where no crash could leak them: a merge was interrupted, or a tool changed the store", count.Of(f.UnexplainedChunks, "chunk"))
	}
}
