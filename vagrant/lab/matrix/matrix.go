// Package matrix counts the results of tests on many kernels and prints one
// table. It knows the output of go test -json, and no kernel.
package matrix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// NotApplicable begins the message of a test that skips itself because the
// kernel lacks what it tests. Any other skip counts as a failure: a kernel test
// that cannot run fails.
const NotApplicable = "not applicable: "

// Result is the result of one package's tests on one kernel. Subtests are not
// counted, except those that were skipped: their test passes without them.
type Result struct {
	Package string
	Passed  int
	Failed  []string // names
	// Not are the tests that do not apply, each with its reason.
	Not     []string
	Seconds float64
}

// event is a line of go test -json (cmd/test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// Read reads the output of go test -json and returns a result for each package
// in it. A package that failed without a failed test is listed as its own
// failure.
func Read(r io.Reader) ([]Result, error) {
	results := map[string]*Result{}
	reasons := map[string]string{} // by package and test
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil && e.Package != "" {
			if results[e.Package] == nil {
				results[e.Package] = &Result{Package: e.Package}
			}
			results[e.Package].take(e, reasons)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the tests' output: %w", err)
		}
	}
	var all []Result
	for _, result := range results {
		all = append(all, *result)
	}
	slices.SortFunc(all, func(a, b Result) int { return strings.Compare(a.Package, b.Package) })
	return all, nil
}

// take counts one event.
func (r *Result) take(e event, reasons map[string]string) {
	key := e.Package + " " + e.Test
	if e.Test == "" {
		if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
			r.Seconds = e.Elapsed
		}
		if e.Action == "fail" && len(r.Failed) == 0 {
			r.Failed = append(r.Failed, "the package")
		}
		return
	}
	if _, reason, ok := strings.Cut(e.Output, NotApplicable); ok {
		reasons[key] = strings.TrimSpace(reason)
	}
	if strings.Contains(e.Test, "/") && e.Action != "skip" {
		return // its test says the same
	}
	switch e.Action {
	case "pass":
		r.Passed++
	case "fail":
		r.Failed = append(r.Failed, e.Test)
	case "skip":
		if reason := reasons[key]; reason != "" {
			r.Not = append(r.Not, e.Test+" ("+reason+")")
		} else {
			r.Failed = append(r.Failed, e.Test+" (skipped)")
		}
	}
}

// Row is a line of the table.
type Row struct {
	Kernel, Variant string
	Result
}

// Ran reports whether anything ran on the row's kernel.
func (r Row) Ran() bool { return r.Passed+len(r.Failed)+len(r.Not) > 0 }

// Print prints the table and, below it, the names of the tests that failed or
// do not apply.
func Print(w io.Writer, rows []Row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %-8s %-32s %6s %6s %6s %8s\n", "kernel", "variant", "package", "passed", "failed", "n/a", "seconds")
	for _, r := range rows {
		fmt.Fprintf(&b, "%-10s %-8s %-32s %6d %6d %6d %8.1f\n",
			r.Kernel, r.Variant, r.Package, r.Passed, len(r.Failed), len(r.Not), r.Seconds)
	}
	for _, r := range rows {
		for _, name := range r.Failed {
			fmt.Fprintf(&b, "failed: %s %s %s %s\n", r.Kernel, r.Variant, r.Package, name)
		}
		for _, name := range r.Not {
			fmt.Fprintf(&b, "not applicable: %s %s %s %s\n", r.Kernel, r.Variant, r.Package, name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
