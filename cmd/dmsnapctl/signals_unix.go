//go:build unix

// Signals that are passed on to a command.

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// listener receives the signals that would end this process, and others that
// commands know.
type listener struct {
	ctx  context.Context
	got  chan os.Signal
	done chan struct{}
}

func listen(ctx context.Context) *listener {
	l := &listener{ctx: ctx, got: make(chan os.Signal, 8), done: make(chan struct{})}
	signal.Notify(l.got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	return l
}

func (l *listener) stop() {
	signal.Stop(l.got)
	close(l.done)
}

// passTo passes signals on until stop. The command already has those that the
// terminal sent to the whole foreground. To many programs two interrupts do
// not mean the same as one.
func (l *listener) passTo(p *os.Process) {
	cancelled := l.ctx.Done()
	for {
		select {
		case <-l.done:
			return
		case s := <-l.got:
			if (s == syscall.SIGINT || s == syscall.SIGQUIT) && inForeground() {
				continue
			}
			_ = p.Signal(s) // it may have ended
		case <-cancelled:
			cancelled = nil
			var s signalled
			if !errors.As(context.Cause(l.ctx), &s) { // a signal is passed on above
				_ = p.Signal(os.Interrupt)
			}
		}
	}
}

// inForeground reports whether the terminal sends its signals to this process.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer tty.Close() // only queried
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// endedBy is the number of the signal that ended a command, 0 for none.
func endedBy(e *exec.ExitError) int {
	if w, ok := e.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return int(w.Signal())
	}
	return 0
}
