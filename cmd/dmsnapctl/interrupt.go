// Interruption: what ends a run from outside.

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

// untilSignal is a context that SIGINT and SIGTERM end. The first signal ends
// what is under way in order; a second one ends the process as if nobody had
// listened.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		cancel(signalled{<-signals})
		signal.Stop(signals)
	}()
	return ctx
}

// toldToStop tells whether ctx was ended by SIGTERM, with which a service is
// stopped.
func toldToStop(ctx context.Context) bool {
	s, is := errors.AsType[signalled](context.Cause(ctx))
	return is && s.Signal == syscall.SIGTERM
}

// interruptible runs wait, which may block for as long as it likes, until ctx
// ends; what wait does after that is nobody's business any more.
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
