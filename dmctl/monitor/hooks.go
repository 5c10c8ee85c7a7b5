package monitor

// Commands that run on events, in parallel with the monitor: one that hangs
// must not keep it from looking.

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// hookTime bounds how long one command may run.
const hookTime = time.Minute

// hookGrace is how long a killed command may keep its output open.
const hookGrace = time.Second

// hookQueue is how many events may wait for their command. A snapshot that
// causes more is in trouble that earlier events have reported.
const hookQueue = 256

// Hooks runs a command for each event, in order, one at a time.
type Hooks struct {
	events chan Event
	done   sync.WaitGroup
}

// NewHooks returns Hooks that run one command. failed is called, from another
// goroutine, each time that it fails or is not run.
func NewHooks(ctx context.Context, hook Hook, failed func(error)) *Hooks {
	h := &Hooks{events: make(chan Event, hookQueue)}
	h.done.Add(1)
	go func() {
		defer h.done.Done()
		for e := range h.events {
			bounded, cancel := context.WithTimeout(ctx, hookTime)
			if err := hook.Run(bounded, e); err != nil {
				failed(err)
			}
			cancel()
		}
	}()
	return h
}

// Run queues the command for an event.
func (h *Hooks) Run(e Event) error {
	select {
	case h.events <- e:
		return nil
	default:
		return fmt.Errorf("%d events wait for their command: not run for %s of %s", hookQueue, e.Kind, e.Snapshot.Name)
	}
}

// Close waits until the commands of all events have ended.
func (h *Hooks) Close() {
	close(h.events)
	h.done.Wait()
}

// Hook is a shell command for events.
type Hook struct {
	Command string
	// Environment returns what the command finds about an event in its
	// environment, as NAME=value, besides the monitor's own. nil: nothing.
	Environment func(Event) []string
	// Output gets what the command prints; nil: it is lost.
	Output io.Writer
}

// Run runs the command for an event. When ctx ends, the command and all its
// children are killed.
func (h Hook) Run(ctx context.Context, e Event) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", h.Command)
	endWithChildren(cmd)
	cmd.Env = os.Environ()
	if h.Environment != nil {
		cmd.Env = append(cmd.Env, h.Environment(e)...)
	}
	cmd.Stdout, cmd.Stderr = h.Output, h.Output
	cmd.WaitDelay = hookGrace
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %q for %s: %w", h.Command, e.Snapshot.Name, err)
	}
	return nil
}
