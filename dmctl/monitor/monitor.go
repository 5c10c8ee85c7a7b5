// Package monitor watches snapshots and reports what happens to them, as
// events, commands that run on events, and metrics. On request it grows stores
// that fill up. It changes nothing else.
//
// It knows snapshots as package dmctl describes them. It must not know how
// events and metrics are written.
package monitor

// From the top down: monitor, growth, hooks, children, metrics, watch.

import (
	"context"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Options says what to watch.
type Options struct {
	Name      string  // only this snapshot; "" for all
	Threshold float64 // percent of the store
	// Interval is how often to look. The kernel reports only that a snapshot
	// became invalid; everything else is found by looking. 0 means a second,
	// which is also the most.
	Interval time.Duration
	Growth   Growth // of stores that fill up; the zero value does not grow them
	// Looked, if not nil, is called with each look and its forecasts.
	Looked func([]dmctl.Snapshot, func(name string) time.Duration) error
}

// maxInterval is how late the monitor may notice what the kernel does not
// report.
const maxInterval = time.Second

// Run calls notice for every event until ctx ends. That is not an error.
func Run(ctx context.Context, c *dmctl.Controller, opt Options, notice func(Event) error) error {
	if opt.Interval <= 0 || opt.Interval > maxInterval {
		opt.Interval = maxInterval
	}
	if opt.Name != "" {
		name, err := devices.KnownName(opt.Name)
		if err != nil {
			return err
		}
		opt.Name = name.String()
	}
	w := newWatcher(opt.Threshold)
	for ctx.Err() == nil {
		// Armed before the look, so that an event during the look ends the wait at once.
		if err := c.Arm(); err != nil {
			return err
		}
		if err := look(ctx, c, w, opt, notice); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := c.Wait(ctx, opt.Interval); err != nil {
			return err
		}
	}
	return nil
}

func look(ctx context.Context, c *dmctl.Controller, w *watcher, opt Options, notice func(Event) error) error {
	all, err := c.Snapshots(ctx)
	if err != nil {
		return err
	}
	var chosen []dmctl.Snapshot
	for _, s := range all {
		if unfinished := strings.HasSuffix(s.Name, devices.NewSuffix); !unfinished && (opt.Name == "" || s.Name == opt.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, e := range w.observe(time.Now(), chosen) {
		if err := notice(e); err != nil {
			return err
		}
	}
	for _, s := range chosen {
		if e := opt.Growth.of(ctx, c, s); e != nil {
			if err := notice(*e); err != nil {
				return err
			}
		}
	}
	if opt.Looked == nil {
		return nil
	}
	return opt.Looked(chosen, w.FullIn)
}
