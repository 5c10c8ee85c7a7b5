// What an exploration's exit code is made of: --fail-on.

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// finding is a kind of finding of an exploration, and the exit code it has
// where --fail-on names it.
type finding struct {
	name string
	code int
	in   func(*crash.Report) bool
}

// exploreFindings are the kinds, in the order of their weight: the exit code is
// that of the first which is found, so that findings outrank what is not known.
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
	return &cli.StringFlag{Name: "fail-on", Value: defaultFailOn, Usage: "the `FINDINGS` that make the exit code: leak and stale 1; corrupt, image, lost, check and second-crash 2; blind 3"}
}

// failOn reads --fail-on.
func failOn(text string) ([]string, error) {
	var names []string
	for _, name := range strings.Split(text, ",") {
		known := slices.ContainsFunc(exploreFindings, func(f finding) bool { return f.name == name })
		if !known {
			return nil, usagef("--fail-on: %q is no finding; write some of %s, separated by commas", name, findingNames())
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

// exploreColour is the exit code whose colour the headline has: it is never
// that of a good end where something is wrong, whatever the exit code is.
func exploreColour(r *crash.Report) int {
	return exploreCode(r, []string{"corrupt", "image", "lost", "check", "second-crash", "leak"})
}

// settles says how the user can settle a doubt.
func settles(d crash.Doubt) string {
	switch d.Code {
	case crash.GuessedWrites:
		return "--snapshot-written says that somebody did, --read-only-snapshot that nobody did"
	case crash.UnwrittenOrigin:
		return "--origin-unwritten says that nobody wrote to it"
	case crash.UnknownOrigin:
		return "--base IMAGE has the device before the first entry"
	case crash.NoCommonMark:
		return "record both logs in one run, which marks them every second"
	case crash.NothingFollows:
		return "choose another mark, or record a workload behind it"
	default:
		return fmt.Sprintf("(%s)", d.Code)
	}
}
