// Package shellstatus knows the exit statuses that a shell gives to commands without
// one of their own. It runs nothing.
package shellstatus

// The exit statuses of a shell that do not come from a command (POSIX.1-2017,
// XCU 2.8.2, Exit Status for Commands).
const (
	NotExecutable = 126 // the command was found, and cannot be run
	NotFound      = 127
	signalled     = 128 // and the signal's number
)

// NotRun reports whether an exit status says that the command could not be run.
func NotRun(status int) bool { return status == NotExecutable || status == NotFound }

// BySignal is the exit status for a command that this signal ended.
func BySignal(signal int) int { return signalled + signal }

// Signalled reports whether an exit status says that a signal ended the command.
// A command can also choose such a status itself.
func Signalled(status int) bool { return status > signalled }
