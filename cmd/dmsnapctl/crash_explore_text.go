// The text of an exploration.

package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// sheetIndent is where the second column begins.
const sheetIndent = 16

func printExploration(o *console, r *crash.Report, next []advice, at regions) error {
	s := &sheet{width: columnsOf(o.out)}
	headline := strings.Join(wrapWords(r.Headline(), s.width-2), "\n  ")
	_, _ = fmt.Fprintln(s, o.colored(exploreColour(r), headline))
	s.figures(r)
	s.order(r)
	s.checks(r)
	_, err := fmt.Fprint(o.out, s, "\n", r.TimelineText(s.width-crash.TimelineMargin), firstState(r, at, s.width), failedCheck(r, s.width))
	if err == nil {
		err = printAdvice(o.out, next)
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// figures says how many states there were, and what was found in them.
func (s *sheet) figures(r *crash.Report) {
	cov := r.Coverage
	s.line("log", "%s, %s; crashes from entry %d on", count.Of(r.Entries, "entry", "entries"), count.Of(r.Commits, "commit"), cov.FirstEntry)
	s.line("states", "%d, %d of them distinct to the judge, in %.2f s", r.States, cov.DistinctStates, r.Seconds)
	s.line("coverage", "%d of %s (from flush to flush) exhausted, %d sampled (%s); %s with torn commits, %d with other torn writes",
		cov.ExhaustiveEpochs, count.Of(cov.Epochs, "epoch"), cov.SampledEpochs, count.Of(cov.SampledStates, "random state"), count.Of(cov.TornCommits, "state"), cov.TornWrites)
	s.line("found", "%d leaking, %d corrupt, %d with a broken image; %d with stale records, %d with an invalidated snapshot",
		r.LeakingStates, r.CorruptStates, r.BrokenImageStates, r.StaleStates, r.AbandonedStates)
	if r.CommonMarks > 0 {
		s.line("layer above", "%s that both logs have; %s without what was flushed before one", count.Of(r.CommonMarks, "mark"), count.Of(r.LostWriteStates, "state"))
	}
	if c := r.SecondCrash; c.From > 0 {
		s.line("second crash", "%s, from %d: %d leaking, %d corrupt, %d with a broken image", count.Of(c.States, "state"), c.From, c.Leaking, c.Corrupt, c.Broken)
		if f := c.FirstFailure; f != nil {
			s.line("", "first at state %s: %s", f.State, f.Why)
		}
	}
	if cov.BlindWrites > 0 {
		s.line("blind window", "%s logged after a commit that may have been later", count.Of(cov.BlindWrites, "origin write"))
	}
}

// order shows the lint's first violations.
func (s *sheet) order(r *crash.Report) {
	s.line("order", "%s", count.Of(r.LintViolations, "violation"))
	for i, v := range r.Violations {
		if i == 3 {
			s.line("", "and %d more; --json shows them", r.LintViolations-3)
			break
		}
		s.line("", "%s: %s", v.Rule, v.Message)
	}
}

// firstFailure is the first failing state, and its description; nil if there is
// none.
func firstFailure(r *crash.Report) (f *crash.Failure, what string) {
	if r.FirstFailure != nil {
		return r.FirstFailure, "first failure"
	}
	return r.SecondCrash.FirstFailure, "first failure after a second crash"
}

// firstState describes the first failing state.
func firstState(r *crash.Report, at regions, width int) string {
	f, what := firstFailure(r)
	if f == nil {
		return ""
	}
	where := f.Where()
	if len(at.stores) > 1 {
		where += fmt.Sprintf(", in store %d (%s)", f.Store, at.flags[1+f.Store])
	}
	told := wrapWords(fmt.Sprintf("%s, %s: %s", what, where, output.Name(f.Why)), width)
	return fmt.Sprintf("\n%s\n", strings.Join(told, "\n"))
}

// adviceOnLog are the commands that write the first failing state, and the first
// image that failed the checker.
func adviceOnLog(r *crash.Report, reproduce string) []advice {
	out := []advice{}
	if reproduce == "" {
		return out
	}
	if f, _ := firstFailure(r); f != nil {
		out = append(out, advice{Why: "write that state as an image", Command: fmt.Sprintf("%s --state %s --out state.img", reproduce, f.State)})
	}
	if len(r.Failures) > 0 {
		f := r.Failures[0]
		view := "--view " + string(r.Checks.View)
		if f.Store > 0 && r.Checks.View == crash.SnapshotView {
			view += fmt.Sprintf(" --store %d", f.Store)
		}
		out = append(out, advice{Why: "write the image that the checker saw", Command: fmt.Sprintf("%s --state %s %s --out image.img", reproduce, f.State, view)})
	}
	return out
}

// reproducer is the command line that writes a state, without the state itself.
func reproducer(c *cli.Context, at regions) string {
	line := []string{"dmsnapctl crash state --log", shellWord(c.String("log"))}
	if base := c.String("base"); base != "" {
		line = append(line, "--base", shellWord(base))
	}
	line = append(line, at.String())
	if kernel := c.String("expect"); kernel != string(allocator.Fixed) {
		line = append(line, "--expect", kernel)
	}
	return strings.Join(line, " ")
}
