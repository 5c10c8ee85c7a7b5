// Interruption by signals.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
)

// signalled is why a context ended: a signal.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return "signal: " + s.String() }

// Is makes a command that returns why its context ended an interrupted one.
func (s signalled) Is(target error) bool { return target == context.Canceled }

// untilSignal is a context that SIGINT, SIGTERM and SIGHUP cancel. After the first
// signal the run ends in order; a second one kills the process. Under nohup, SIGHUP
// stays ignored.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	listened := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		listened = append(listened, syscall.SIGHUP)
	}
	signal.Notify(signals, listened...)
	go func() {
		cancel(signalled{<-signals})
		signal.Stop(signals)
	}()
	return ctx
}

// leaving is err or, if that is an interrupt, err with what it left.
func leaving(err error, left string) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w; %s", err, left)
}

// notWritten says what an interrupt leaves of an output.
func notWritten(to *output.Destination) string {
	if to.IsStdout() {
		return "the output is not complete"
	}
	return to.Path() + " was not written"
}

// plainly replaces Go's words for an interrupt in the text of an error.
func plainly(err error, text string) string {
	const jargon = "context canceled"
	if !errors.Is(err, context.Canceled) {
		return text
	}
	if said, ok := strings.CutSuffix(text, ": "+jargon); ok && strings.Contains(said, "interrupted") {
		return said
	}
	return strings.ReplaceAll(text, jargon, "interrupted")
}

// toldToStop reports whether SIGTERM, which stops services, ended ctx.
func toldToStop(ctx context.Context) bool {
	s, is := errors.AsType[signalled](context.Cause(ctx))
	return is && s.Signal == syscall.SIGTERM
}

// openPatiently opens a file to read it. The open of a pipe waits for a writer,
// but no longer than ctx.
func openPatiently(ctx context.Context, path string) (*os.File, error) {
	var f *os.File
	err := interruptible(ctx, func() (err error) {
		f, err = os.Open(path)
		return err
	})
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, context.Canceled):
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return nil, err
}

// interruptible runs wait, which may block forever, until ctx ends. After that
// the result of wait is ignored.
func interruptible(ctx context.Context, wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
