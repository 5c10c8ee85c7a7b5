//go:build unix

package plan

import (
	"os/signal"
	"syscall"
)

// ignoreStops keeps a terminal from stopping this process until resume is
// called: its suspended devices would stay suspended.
func ignoreStops() (resume func()) {
	var stops []syscall.Signal
	for _, s := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		if !signal.Ignored(s) {
			stops = append(stops, s)
			signal.Ignore(s)
		}
	}
	return func() {
		for _, s := range stops {
			signal.Reset(s)
		}
	}
}
