// Package thorough says how much a test does: little in `go test ./...`, which
// must be quick, and everything if Variable is set. `make unit`, a part of `make
// test`, sets it for unit tests, and `make soak` for kernel tests, which do little
// in `make kernel`. It does not know the tests.
package thorough

import "os"

// Variable names an environment variable. If it has a value, tests do
// everything that they can.
const Variable = "DMSNAPCTL_THOROUGH"

// All reports whether tests do everything that they can.
func All() bool { return os.Getenv(Variable) != "" }

// Of returns how much of something a test does: little, or all.
func Of(little, all int) int {
	if All() {
		return all
	}
	return little
}
