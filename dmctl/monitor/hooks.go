package monitor

// Commands that run on events, in parallel with the monitor: one that hangs
// must not keep it from looking.

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
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

// NewHooks returns Hooks for a shell command. What commands print goes to out.
// failed is called, from another goroutine, for each command that fails or is
// not run.
func NewHooks(ctx context.Context, command string, out io.Writer, failed func(error)) *Hooks {
	h := &Hooks{events: make(chan Event, hookQueue)}
	h.done.Add(1)
	go func() {
		defer h.done.Done()
		for e := range h.events {
			bounded, cancel := context.WithTimeout(ctx, hookTime)
			if err := e.Hook(bounded, command, out); err != nil {
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

// Hook runs a shell command for an event. The details are in its environment:
// DMSNAPCTL_EVENT, _NAME, _STATE, _WAS, _MESSAGE, _ORIGIN, _COW, _USED_PERCENT,
// _ALLOCATED_SECTORS, _TOTAL_SECTORS and _FULL_IN_SECONDS (empty if the kernel
// gives no numbers, or there is no forecast). Its output goes to out. When ctx
// ends, the command and all its children are killed.
func (e Event) Hook(ctx context.Context, command string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	endWithChildren(cmd)
	s := e.Snapshot
	var used, allocated, total, fullIn string
	if s.HasFigures() {
		used = fmt.Sprintf("%.1f", s.UsedPercent)
		allocated, total = fmt.Sprint(s.Allocated), fmt.Sprint(s.Total)
	}
	if e.FullIn > 0 {
		fullIn = strconv.FormatInt(int64(e.FullIn/time.Second), 10)
	}
	cmd.Env = append(os.Environ(),
		"DMSNAPCTL_EVENT="+string(e.Kind), "DMSNAPCTL_NAME="+s.Name, "DMSNAPCTL_STATE="+s.State, "DMSNAPCTL_WAS="+e.Was,
		"DMSNAPCTL_MESSAGE="+e.Message, "DMSNAPCTL_ORIGIN="+s.Origin, "DMSNAPCTL_COW="+s.COW,
		"DMSNAPCTL_USED_PERCENT="+used, "DMSNAPCTL_ALLOCATED_SECTORS="+allocated, "DMSNAPCTL_TOTAL_SECTORS="+total,
		"DMSNAPCTL_FULL_IN_SECONDS="+fullIn)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = hookGrace
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %q for %s: %w", command, s.Name, err)
	}
	return nil
}
