// The exit code of an exploration: --fail-on.

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// finding is a kind of finding of an exploration, and its exit code if --fail-on
// names it.
type finding struct {
	name string
	code int
	in   func(*crash.Report) bool
}

// exploreFindings are the kinds by weight: the first one found sets the exit
// code, so that findings outrank doubts.
var exploreFindings = []finding{
	{"corrupt", exitCritical, func(r *crash.Report) bool { return r.CorruptStates > 0 }},
	{"image", exitCritical, func(r *crash.Report) bool { return r.BrokenImageStates > 0 }},
	{"lost", exitCritical, func(r *crash.Report) bool { return r.LostWriteStates > 0 }},
	{"second-crash", exitCritical, func(r *crash.Report) bool { return r.SecondCrash.Bad() }},
	{"check", exitCritical, func(r *crash.Report) bool { return r.FailedChecks > 0 }},
	{"leak", exitWarning, func(r *crash.Report) bool { return r.LeakingStates > 0 }},
	{"stale", exitWarning, func(r *crash.Report) bool { return r.StaleStates > 0 }},
	{"blind", exitUnknown, func(r *crash.Report) bool { return r.Coverage.BlindWrites > 0 }},
}

const defaultFailOn = "leak,corrupt,image,lost,check"

func failOnFlag() cli.Flag {
	return &cli.StringFlag{Name: "fail-on", Value: defaultFailOn, Usage: "the `FINDINGS` that set the exit code: leak and stale 1; corrupt, image, lost, check and second-crash 2; blind 3"}
}

// failOn reads --fail-on.
func failOn(text string) ([]string, error) {
	var names []string
	for _, name := range strings.Split(text, ",") {
		known := slices.ContainsFunc(exploreFindings, func(f finding) bool { return f.name == name })
		if !known {
			return nil, usagef("--fail-on: %q is not a finding; write some of %s, separated by commas", name, findingNames())
		}
		names = append(names, name)
	}
	return names, nil
}

func findingNames() string {
	var names []string
	for _, f := range exploreFindings {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// exploreCode is the exit code of an exploration that fails on some findings.
func exploreCode(r *crash.Report, on []string) int {
	for _, f := range exploreFindings {
		if slices.Contains(on, f.name) && f.in(r) {
			return f.code
		}
	}
	if len(r.Doubts) > 0 || r.UndecidedChecks > 0 {
		return exitUnknown
	}
	return exitFine
}

// exploreColour is the exit code for the headline's colour: it is never 0 if
// something is wrong, even if --fail-on ignores it.
func exploreColour(r *crash.Report) int {
	return exploreCode(r, []string{"corrupt", "image", "lost", "check", "second-crash", "leak"})
}

// settles says how the user can settle a doubt.
func settles(d crash.Doubt) string {
	switch d.Code {
	case crash.GuessedWrites:
		return "--snapshot-written asserts such writes, --read-only-snapshot excludes them"
	case crash.UnwrittenOrigin:
		return "--origin-unwritten asserts that nothing wrote to it"
	case crash.UnknownOrigin:
		return "give the device before the first entry with --base IMAGE"
	case crash.NoCommonMark:
		return "record both logs in one run, which marks them every second"
	case crash.NothingFollows:
		return "choose another mark, or record a workload after it"
	case crash.LogBreaksOff:
		return "record again on a larger log device, or read the log whole"
	default: // of another release, in a report to combine
		return fmt.Sprintf("(%s)", d.Code)
	}
}
