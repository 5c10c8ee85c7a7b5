// Package thorough says how much a test does: little in `go test ./...`, which
// is to stay quick, and all of it in `make test`, which sets Variable. It knows
// no test.
package thorough

import (
	"flag"
	"os"

	"pgregory.net/rapid"
)

// Variable names the environment variable that, with any value, asks for all
// that tests can do.
const Variable = "DMSNAPCTL_THOROUGH"

// quickChecks is how often rapid tries a property unless it is told how often.
const quickChecks = "25"

func init() {
	if !All() {
		_ = rapid.Check // whose package defines the flag
		if err := flag.Set("rapid.checks", quickChecks); err != nil {
			panic(err)
		}
	}
}

// All reports whether tests do all that they can.
func All() bool { return os.Getenv(Variable) != "" }

// Of returns how much of something a test does: little, or all of it.
func Of(little, all int) int {
	if All() {
		return all
	}
	return little
}
