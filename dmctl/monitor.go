package dmctl

// The monitor: looks at the snapshots again and again.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

// MonitorOptions says what to look for.
type MonitorOptions struct {
	Name      string  // only this snapshot; "" for all
	Threshold float64 // percent of the store
	// Interval is how often to look without being told to. dm-snapshot tells
	// only of a snapshot that became invalid; all else is seen by looking. 0
	// for a second, which is also the most.
	Interval time.Duration
	// Looked, if not nil, is called with each look and its forecasts.
	Looked func([]Snapshot, func(name string) time.Duration) error
}

// maxInterval is how late the monitor may notice what the kernel does not tell.
const maxInterval = time.Second

// pollStep bounds how long the monitor takes to notice that ctx has ended.
const pollStep = 100 * time.Millisecond

// Monitor calls notice for every event until ctx ends, which is no error.
func (c *Controller) Monitor(ctx context.Context, opt MonitorOptions, notice func(Event) error) error {
	interval := opt.Interval
	if interval <= 0 || interval > maxInterval {
		interval = maxInterval
	}
	only := ""
	if opt.Name != "" {
		n, err := typedName(opt.Name)
		if err != nil {
			return err
		}
		only = n.String()
	}
	w := newWatcher(opt.Threshold)
	for ctx.Err() == nil {
		// Armed before the look: what happens during it ends the wait at once.
		told := c.k.Arm()
		if told != nil && !errors.Is(told, wire.ErrNoPoll) {
			return &Error{"wait for events of", "device mapper", told}
		}
		if err := c.lookOnce(ctx, w, only, opt, notice); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := c.waitEvent(ctx, interval, told == nil); err != nil {
			return &Error{"wait for events of", "device mapper", err}
		}
	}
	return nil
}

func (c *Controller) lookOnce(ctx context.Context, w *watcher, only string, opt MonitorOptions, notice func(Event) error) error {
	all, err := c.Snapshots(ctx)
	if err != nil {
		return err
	}
	var chosen []Snapshot
	for _, s := range all {
		if unfinished := strings.HasSuffix(s.Name, newSuffix); !unfinished && (only == "" || s.Name == only) {
			chosen = append(chosen, s)
		}
	}
	for _, e := range w.observe(time.Now(), chosen) {
		if err := notice(e); err != nil {
			return err
		}
	}
	if opt.Looked == nil {
		return nil
	}
	return opt.Looked(chosen, w.FullIn)
}

// waitEvent waits for an event of any device, for at most an interval.
func (c *Controller) waitEvent(ctx context.Context, interval time.Duration, poll bool) error {
	for end := time.Now().Add(interval); ctx.Err() == nil; {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		step := min(left, pollStep)
		if !poll {
			c.sleep(step)
			continue
		}
		told, err := c.k.Poll(int(max(step.Milliseconds(), 1)))
		if told || err != nil {
			return err
		}
	}
	return nil
}

// Hook runs a shell command for an event, which finds the details in its
// environment: DMSNAPCTL_EVENT, _NAME, _STATE, _WAS, _MESSAGE, _ORIGIN, _COW,
// _USED_PERCENT, _ALLOCATED_SECTORS, _TOTAL_SECTORS and _FULL_IN_SECONDS (empty
// where the kernel gives no figures, or there is no forecast). Its output goes
// to stderr.
func (e Event) Hook(ctx context.Context, command string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
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
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %q for %s: %w", command, s.Name, err)
	}
	return nil
}
