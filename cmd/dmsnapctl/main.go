// Command dmsnapctl manages Linux dm-snapshot devices, reports whether a kernel
// leaks snapshot space when it crashes, and verifies COW stores offline.
//
// The package is the program's command line: one file per command, which
// parses its arguments, calls one function of a package below, and prints.
// Exit codes, flags and JSON are a contract with scripts; see docs/cli.md.
package main

// From the top down: main, app, commands, lastresort (the program); manual, help,
// exit_help, complete, generator (about itself); verify, map, map_output,
// verify_advice (judge a store); check, check_format, check_code (judge a kernel);
// rescue, size, delta, extract, mount, dump, spans, certainty (read stores);
// withsnapshot, create, activate, clone, reset, remove, merge, grow, rename, suspend,
// resume, recover, status, list, monitor, status_format, status_json,
// monitor_metrics (control); apply, restore, repair, reclaim, revalidate, mend
// (change stores); table, table_specs, table_lint, table_concise, table_text
// (tables); crash, crash_record, crash_workload, crash_mark, crash_combine, crash_state, crash_simulate,
// crash_explore, crash_explore_text, crash_page, crash_check, crash_regions,
// crash_log, crash_fail (crashes); storefile, verify_text, verify_live,
// verify_waiting, copyprogress, verify_progress, verify_signal, verify_findings,
// control, detach, named, arguments, arrange, advice, console, hints, sheet, wrap,
// exit, interrupt, signals, version (what they share).

import (
	"fmt"
	"io"
	"os"

	_ "github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/first" // ends the process if it has too few descriptors
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

func main() {
	if guarded := dmctl.BeGuardian(); guarded != nil {
		os.Exit(stoodGuard(guarded, os.Stderr))
	}
	if code, ended := lastResort(os.Stderr); ended {
		os.Exit(code)
	}
	os.Exit(run(untilSignal(), os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// stoodGuard reports how a guardian of suspended devices ended.
func stoodGuard(g *dmctl.Guarded, w io.Writer) int {
	switch {
	case g.Err != nil:
		_, _ = fmt.Fprintf(w, "dmsnapctl: standing guard over suspended devices: %s\n", explained(g.Err))
	case g.Recovered:
		_, _ = fmt.Fprintln(w, "dmsnapctl: a run died while devices were suspended: they are resumed, and what it left is cleaned up")
	}
	return exitCodeOf(g.Err)
}
