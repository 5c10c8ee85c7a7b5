package monitor

// Stores that grow before they are full.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Growth says when and by how much stores grow. Only our own snapshots' stores
// grow, and only those that are named files under loop devices.
type Growth struct {
	At float64 // percent of the store in use; 0: stores do not grow
	// Bytes is how much a store grows at a time. If it is 0, a store grows by
	// Percent of its size.
	Bytes   int64
	Percent float64
	// Failed is called after each attempt to grow a store; err is nil on success.
	// The next look tries again.
	Failed func(name string, err error)
}

// of grows a snapshot's store if it must, and returns the event.
func (g Growth) of(ctx context.Context, c *dmctl.Controller, s dmctl.Snapshot) *Event {
	if !g.wanted(s) {
		return nil
	}
	err := c.Grow(ctx, dmctl.GrowRequest{Name: s.Name, By: g.by(s)})
	if ctx.Err() != nil && err != nil { // told to stop, which is no trouble
		return nil
	}
	if errors.Is(err, dmctl.ErrNoStoreFile) || errors.Is(err, dmctl.ErrLargeEnough) {
		return nil
	}
	if g.Failed != nil {
		g.Failed(s.Name, err)
	}
	if err != nil {
		return nil
	}
	return grownEvent(ctx, c, s)
}

// grownEvent says how much larger a store is now. It has grown even if the monitor
// has been told to stop since then.
func grownEvent(ctx context.Context, c *dmctl.Controller, was dmctl.Snapshot) *Event {
	e := &Event{Kind: EventGrown, Snapshot: was}
	now, err := c.SnapshotNamed(context.WithoutCancel(ctx), was.Name)
	if err == nil {
		e.Snapshot = now
		e.Message = fmt.Sprintf("the store of %s grew from %d to %d bytes", was.Name, uint64(was.Total)*cow.SectorSize, uint64(now.Total)*cow.SectorSize)
	} else {
		e.Message = fmt.Sprintf("the store of %s grew from %d bytes, and cannot be looked at: %v", was.Name, uint64(was.Total)*cow.SectorSize, err)
	}
	e.Time = time.Now()
	return e
}

// wanted reports whether a snapshot's store must grow now.
func (g Growth) wanted(s dmctl.Snapshot) bool {
	return g.At > 0 && s.State == table.Active.String() && !s.Suspended && s.UsedPercent >= g.At &&
		s.Owner == devices.OwnerOurs && s.COWFile != ""
}

// by returns the bytes that a store needs to be less than At percent full: a
// whole number of steps, and at least one.
func (g Growth) by(s dmctl.Snapshot) int64 {
	total := float64(s.Total) * cow.SectorSize
	step := float64(g.Bytes)
	if step == 0 {
		step = math.Ceil(total * g.Percent / 100)
	}
	step = max(step, 1)
	missing := float64(s.Allocated)*cow.SectorSize*100/g.At - total
	steps := max(math.Floor(missing/step)+1, 1)
	const most = 1 << 62
	return int64(min(steps*step, most))
}
