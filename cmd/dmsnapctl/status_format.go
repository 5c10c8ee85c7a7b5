// What status says of snapshots: as text, to monitoring, to machines.

package main

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

var statusFormats = []string{formatText, formatJSON, formatNagios, formatPrometheus}

func writeStatus(o *console, snapshots []dmctl.Snapshot, r statusRequest, code int) error {
	switch r.format {
	case formatJSON:
		return o.printJSON(snapshotsForMachines(o, snapshots))
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

// statusCode is the exit code that one snapshot asks for.
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
			inBytes(s.ChunkSize), output.Name(s.OriginDevice), output.Name(s.COW), o.colored(statusCode(s, limits), state))
	}
	return w.Flush()
}

// fullText is how full a store is, "-" where that is not known.
func fullText(s dmctl.Snapshot) string {
	if !s.HasFigures() {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", s.UsedPercent)
}

// nagiosStatus is the one line of a monitoring plugin: the state, the first of
// the snapshots that are worst, and performance data.
func nagiosStatus(snapshots []dmctl.Snapshot, limits statusLimits, code int) string {
	text := output.Plural(len(snapshots), "snapshot")
	for _, s := range snapshots {
		if code != exitFine && statusCode(s, limits) == code {
			text += fmt.Sprintf("; %s is %s, %s full", s.Name, s.State, fullText(s))
			break
		}
	}
	word := map[int]string{exitFine: "OK", exitWarning: "WARNING", exitCritical: "CRITICAL"}[code]
	// A bar would start the performance data.
	line := fmt.Sprintf("DMSNAPCTL %s - %s |", word, strings.ReplaceAll(output.Name(text), "|", "/"))
	for _, s := range snapshots {
		if s.HasFigures() {
			line += fmt.Sprintf(" '%s'=%.1f%%;%s;%s;0;100", perfLabel(s.Name), s.UsedPercent, perfLimit(limits.warning), perfLimit(limits.critical))
		}
	}
	return line
}

// perfLabel is a name as the plugins' guidelines take it: without quotes and
// equals signs.
func perfLabel(name string) string {
	return strings.NewReplacer("'", "_", "=", "_", "|", "_").Replace(output.Name(name))
}

func perfLimit(percent float64) string {
	if math.IsInf(percent, 1) {
		return ""
	}
	return fmt.Sprint(percent)
}
