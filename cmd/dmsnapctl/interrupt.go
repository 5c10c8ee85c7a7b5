// Interruption by signals.

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
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

// toldToStop reports whether SIGTERM, which stops services, ended ctx.
func toldToStop(ctx context.Context) bool {
	s, is := errors.AsType[signalled](context.Cause(ctx))
	return is && s.Signal == syscall.SIGTERM
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
