package dmctl

// Commands that run at events, beside the monitor: one that hangs must not
// keep it from looking.

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// hookTime bounds how long one command may run.
const hookTime = time.Minute

// hookQueue is how many events may wait for their command; a snapshot that
// makes more meanwhile is in trouble that earlier ones have told of.
const hookQueue = 256

// Hooks runs a command for each event, in order, one at a time.
type Hooks struct {
	events chan Event
	done   sync.WaitGroup
}

// NewHooks starts with nothing to do. failed is called, from another
// goroutine, for each command that fails or is given up.
func NewHooks(ctx context.Context, command string, failed func(error)) *Hooks {
	h := &Hooks{events: make(chan Event, hookQueue)}
	h.done.Add(1)
	go func() {
		defer h.done.Done()
		for e := range h.events {
			bounded, cancel := context.WithTimeout(ctx, hookTime)
			if err := e.Hook(bounded, command); err != nil {
				failed(err)
			}
			cancel()
		}
	}()
	return h
}

// Run has the command run for an event, soon.
func (h *Hooks) Run(e Event) error {
	select {
	case h.events <- e:
		return nil
	default:
		return fmt.Errorf("%d events wait for their command: not run for %s of %s", hookQueue, e.Kind, e.Snapshot.Name)
	}
}

// Close waits for the commands of all events.
func (h *Hooks) Close() {
	close(h.events)
	h.done.Wait()
}
