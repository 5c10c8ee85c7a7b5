// The formats of status: text, JSON, and for monitoring.

package main

import (
	"fmt"
	"math"
	"text/tabwriter"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

var statusFormats = []string{formatText, formatJSON, formatNagios, formatPrometheus}

func writeStatus(o *console, snapshots []dmctl.Snapshot, r statusRequest, code int) error {
	switch r.format {
	case formatJSON:
		out := snapshotsForMachines(o, snapshots)
		out.Advice = adviceOnSnapshots(snapshots, r.limits)
		return o.printJSON(out)
	case formatNagios:
		_, err := fmt.Fprintln(o.out, nagiosStatus(snapshots, r.limits, code))
		return err
	case formatPrometheus:
		m := output.NewMetrics(o.out)
		addSnapshotMetrics(m, snapshots, nil)
		return m.Flush()
	default:
		return printStatus(o, snapshots, r.limits)
	}
}

// statusCode is the exit code for one snapshot.
func statusCode(s dmctl.Snapshot, limits statusLimits) int {
	switch s.State {
	case table.Invalid.String(), table.Overflow.String(), table.MergeFailed.String():
		return exitCritical
	}
	switch {
	case s.UsedPercent >= limits.critical:
		return exitCritical
	case s.UsedPercent >= limits.warning:
		return exitWarning
	}
	return exitFine
}

func printStatus(o *console, snapshots []dmctl.Snapshot, limits statusLimits) error {
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	// The state comes last: colours have no width, and columns must not care.
	_, _ = fmt.Fprintln(w, "NAME\tUSED\tOF\tFULL\tCHUNK\tORIGIN\tCOW\tSTATE")
	for _, s := range snapshots {
		used, of := "-", "-"
		if s.HasFigures() {
			used, of = inBytes(s.Allocated), inBytes(s.Total)
		}
		state := s.State
		if s.Suspended {
			state += ", suspended"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", output.Name(s.Name), used, of, fullText(s),
			inBytes(s.ChunkSectors), output.Name(s.OriginDevice), output.Name(s.COW), o.colored(statusCode(s, limits), state))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printAdvice(o.out, adviceOnSnapshots(snapshots, limits))
}

// adviceOnSnapshots is what can be done about snapshots in a bad state. Snapshots
// of other programs are left to those programs.
func adviceOnSnapshots(snapshots []dmctl.Snapshot, limits statusLimits) []advice {
	out := []advice{}
	for _, s := range snapshots {
		ours := s.Owner == dmctl.OwnerOurs
		full := s.UsedPercent >= min(limits.warning, limits.critical)
		switch {
		case s.Suspended && ours:
			out = append(out, advise("continue its I/O", "resume", argumentName(s.Name)))
		case s.State == table.Invalid.String() && s.Persistent:
			out = append(out, advise("see what its store still holds", "verify", argument(s.COW)))
		case s.State == table.MergeFailed.String() && ours:
			out = append(out, advise("continue the merge", "merge", argumentName(s.Name)))
		case s.State == dmctl.StateMerging && ours:
			out = append(out, advise("wait for the merge and finish it", "merge", argumentName(s.Name)))
		case !ours && s.Owner != "":
		case s.State == table.Overflow.String() || full && s.State == table.Active.String():
			words := []string{"grow", argumentName(s.Name)}
			if !ours {
				words = append(words, "--force")
			}
			out = append(out, advise("after enlarging its COW device "+s.COW, words...))
		}
	}
	return out
}

// fullText is how full a store is, "-" if unknown.
func fullText(s dmctl.Snapshot) string {
	if !s.HasFigures() {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", s.UsedPercent)
}

// nagiosStatus is the line of a monitoring plugin: the state, the first of the
// worst snapshots, and performance data.
func nagiosStatus(snapshots []dmctl.Snapshot, limits statusLimits, code int) string {
	text := count.Of(len(snapshots), "snapshot")
	for _, s := range snapshots {
		if code != exitFine && statusCode(s, limits) == code {
			text += fmt.Sprintf("; %s is %s, %s full", s.Name, s.State, fullText(s))
			break
		}
	}
	word := map[int]string{exitFine: "OK", exitWarning: "WARNING", exitCritical: "CRITICAL"}[code]
	var performance []string
	for _, s := range snapshots {
		if s.HasFigures() {
			performance = append(performance, fmt.Sprintf("'%s'=%.1f%%;%s;%s;0;100", output.PluginLabel(s.Name), s.UsedPercent, perfLimit(limits.warning), perfLimit(limits.critical)))
		}
	}
	return output.PluginLine(word, text, performance...)
}

func perfLimit(percent float64) string {
	if math.IsInf(percent, 1) {
		return ""
	}
	return fmt.Sprint(percent)
}
