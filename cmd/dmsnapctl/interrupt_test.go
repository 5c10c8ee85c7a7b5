package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// A command that waits for another run ends as soon as it is told to.
func TestWaitingForAnotherRunIsInterrupted(t *testing.T) {
	for _, line := range []string{
		"create s --origin /dev/a --cow /dev/b --yes", "activate s --origin /dev/a --cow /dev/b --yes",
		"remove s --yes", "merge s --yes", "grow s --by 1M --yes", "rename s t --yes",
		"suspend s --yes", "resume s --yes", "recover --yes",
	} {
		for _, sent := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			ctx, cancel := context.WithCancelCause(context.Background())
			tries := 0
			m := dmtest.New()
			m.Lock = func() bool {
				tries++
				cancel(signalled{sent})
				return false
			}
			onMachine(t, m)
			_, stderr, code := commanded(ctx, strings.Fields(line)...)
			if code != exitInterrupted || tries != 1 || !strings.Contains(stderr, "another run is at work") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%s, %v: exit code %d after %d tries: %q", line, sent, code, tries, stderr)
			}
		}
	}
}
