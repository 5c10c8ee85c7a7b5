// Package monitor looks at snapshots again and again and tells what happens to
// them: events, commands that run at events, and metrics. It grows stores that
// fill up, if it is asked to, and changes nothing else.
//
// It knows what package dmctl says of snapshots.
//
// Files, from the top down: monitor, growth, hooks, children, metrics, watch.
package monitor

import (
	"context"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Options says what to look for.
type Options struct {
	Name      string  // only this snapshot; "" for all
	Threshold float64 // percent of the store
	// Interval is how often to look without being told to. dm-snapshot tells
	// only of a snapshot that became invalid; all else is seen by looking. 0
	// for a second, which is also the most.
	Interval time.Duration
	Growth   Growth // of stores that fill up; the zero value lets them
	// Looked, if not nil, is called with each look and its forecasts.
	Looked func([]dmctl.Snapshot, func(name string) time.Duration) error
}

// maxInterval is how late the monitor may notice what the kernel does not tell.
const maxInterval = time.Second

// Run calls notice for every event until ctx ends, which is no error.
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
		// Armed before the look: what happens during it ends the wait at once.
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
