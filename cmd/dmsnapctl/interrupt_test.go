package main

import (
	"bytes"
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

// A command that is interrupted while it reads says so in plain words, and what
// it left.
func TestInterruptedWhileReading(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o dumped")
	ctx, interrupt := context.WithCancel(context.Background())
	interrupt()
	for line, want := range map[string]string{
		"reclaim store --yes":                                       "reclaim store: interrupted; nothing was changed",
		"repair store --yes":                                        "repair store: interrupted; nothing was changed",
		"revalidate store --origin-unchanged --yes":                 "revalidate store: interrupted; nothing was changed",
		"revalidate store --origin origin --origin-sha256 00 --yes": "revalidate: the origin: interrupted; nothing was changed",
		"apply store --to origin --yes":                             "apply store: interrupted; nothing was changed",
		"restore dumped store --yes":                                "restore store: interrupted; nothing was changed",
		"restore dumped new --data store --size 1M --yes":           "restore new: interrupted; no file was made",
		"extract store --origin origin -o new":                      "extract store: interrupted; new was not written",
		"extract store --origin origin -o -":                        "extract store: interrupted; the output is not complete",
		"delta store -o new":                                        "delta store: interrupted; new was not written",
		"dump store -o new":                                         "dump store: interrupted; new was not written",
		"size store":                                                "size store: interrupted",
		"map store -o new.svg":                                      "map store: interrupted; nothing was drawn, and nothing was changed",
		"mount store --origin origin .":                             "mount store: interrupted; nothing was mounted",
	} {
		before, origin := b.read("store"), b.read("origin")
		_, stderr, code := commanded(ctx, strings.Fields(line)...)
		if code != exitInterrupted || stderr != "dmsnapctl: "+want+"\n" {
			t.Errorf("%s: exit code %d, %q, want %q", line, code, stderr, want)
		}
		if !bytes.Equal(b.read("store"), before) || !bytes.Equal(b.read("origin"), origin) {
			t.Errorf("%s changes its input", line)
		}
		if _, err := os.Lstat("new"); err == nil {
			t.Errorf("%s makes a file", line)
		}
	}
}
