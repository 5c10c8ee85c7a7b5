package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// brokenPipe accepts no data.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestResultsThatDoNotArriveAreNoSuccess(t *testing.T) {
	for _, args := range [][]string{
		{"dmsnapctl", "--help"},
		{"dmsnapctl", "check", "--target-version", "1.16.0"},
		{"dmsnapctl", "check", "--target-version", "1.16.0", "--json"},
	} {
		var complaint bytes.Buffer
		code := run(context.Background(), args, streams{out: brokenPipe{}, err: &complaint})
		if code != exitUnknown || !strings.Contains(complaint.String(), "no space left on device") {
			t.Errorf("%v: exit code %d and %q, want %d and the reason", args, code, &complaint, exitUnknown)
		}
	}
}

func TestErrorsCannotCommandTheTerminal(t *testing.T) {
	var complaint bytes.Buffer
	code := run(context.Background(), []string{"dmsnapctl", "verify", "a\x1b[31m\nb"}, streams{out: &bytes.Buffer{}, err: &complaint})
	if got := complaint.String(); code != exitUnknown || strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 1 {
		t.Errorf("exit code %d and %q, want %d and one printable line", code, got, exitUnknown)
	}
}

func TestInterruptibleDoesNotWaitForever(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	forever := make(chan struct{})
	err := interruptible(ctx, func() error { <-forever; return nil })
	if !errors.Is(err, context.Canceled) || exitCodeOf(err) != exitInterrupted {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestInterruptedVerifySaysWhatIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 300)...)}
	if err := os.WriteFile(path, store.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, complaint bytes.Buffer
	code := run(ctx, []string{"dmsnapctl", "verify", "--json", path}, streams{out: &out, err: &complaint})
	if code != exitInterrupted || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), `"partial":true`) {
		t.Errorf("exit code %d and %q, want %d and one partial report", code, &out, exitInterrupted)
	}
	if !strings.Contains(complaint.String(), "nothing was changed") {
		t.Errorf("stderr %q does not say what became of the store", &complaint)
	}
}

func TestSuggestionsAreSlipsOfTheFinger(t *testing.T) {
	names := []string{"map", "list", "verify", "table", "--origin", "--json"}
	for word, want := range map[string]string{
		"verfy": "verify", "tabel": "table", "mpa": "", "lst": "list", "--orign": "--origin",
		"a": "", "x": "", "": "", "pam": "", "foo": "", "zzzzzzzz": "", "verification": "", "--js": "",
	} {
		got := suggest(word, names)
		if want != "" {
			want = " (did you mean " + want + "?)"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// A command line that begins with a command makes only that command, by its
// name. The maker must therefore know the name.
func TestMakersKnowTheirNames(t *testing.T) {
	for _, m := range makers(run) {
		if got := m.make().Name; got != m.name {
			t.Errorf("the maker of %q makes %q", m.name, got)
		}
	}
	for first, want := range map[string]int{"verify": 1, "": len(makers(run)), "--json": len(makers(run)), "help": len(makers(run)), "manual": len(makers(run)), "complete": len(makers(run)), "verfy": len(makers(run))} {
		if got := len(commandsFor(run, []string{"dmsnapctl", first})); got != want {
			t.Errorf("%q: %d commands, want %d", first, got, want)
		}
	}
	if got := len(commandsFor(run, nil)); got != len(makers(run)) {
		t.Errorf("no arguments: %d commands", got)
	}
}

// A command that returns why its context ended was interrupted.
func TestSignalsInterrupt(t *testing.T) {
	err := fmt.Errorf("workload: %w", signalled{syscall.SIGINT})
	if code := exitCodeOf(err); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}
