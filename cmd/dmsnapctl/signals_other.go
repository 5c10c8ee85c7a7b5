//go:build !unix

package main

import (
	"context"
	"os"
	"os/exec"
)

type listener struct {
	ctx  context.Context
	done chan struct{}
}

func listen(ctx context.Context) *listener {
	return &listener{ctx: ctx, done: make(chan struct{})}
}

func (l *listener) stop() { close(l.done) }

func (l *listener) passTo(p *os.Process) {
	select {
	case <-l.done:
	case <-l.ctx.Done():
		_ = p.Kill() // there are no signals
	}
}

func endedBy(*exec.ExitError) int { return 0 }
