// Package thorough says how much a test does: little in `go test ./...`, which
// must be quick, and everything in `make test`, which sets Variable. It does
// not know the tests.
package thorough

import (
	"flag"
	"os"

	"pgregory.net/rapid"
)

// Variable names an environment variable. If it has a value, tests do
// everything that they can.
const Variable = "DMSNAPCTL_THOROUGH"

// quickChecks is how often rapid checks a property, unless a flag says
// otherwise.
const quickChecks = "25"

func init() {
	if !All() {
		_ = rapid.Check // that package defines the flag
		if err := flag.Set("rapid.checks", quickChecks); err != nil {
			panic(err)
		}
	}
}

// All reports whether tests do everything that they can.
func All() bool { return os.Getenv(Variable) != "" }

// Of returns how much of something a test does: little, or all.
func Of(little, all int) int {
	if All() {
		return all
	}
	return little
}
