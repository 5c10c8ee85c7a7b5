package dmctl

// A second recording on top of the first: of a device, such as a snapshot or its
// origin, that is built on a recorded device. Marks that both logs have show what
// the lower device held when the upper one had flushed something.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Tower is a recorded device, and a recorded device that is built on it.
type Tower struct {
	Lower, Upper *Recording
	marks        int // set so far
}

// Recorder marks that KeepMarking and Finish set.
const (
	markPrefix = "dmsnapctl-"        // a number follows
	markLast   = markPrefix + "last" // of a recording
)

// markInterval is the time between two marks.
const markInterval = time.Second

// PlanAbove plans the recording of a device that was built on the recorded
// device. Its log is the request's LogAbove.
func (r *Recording) PlanAbove(ctx context.Context, device string) (p *Plan, t *Tower, err error) {
	c := r.c
	defer c.giveUp(&err)
	v, err := c.lookLocked(ctx)
	if err != nil {
		return nil, nil, err
	}
	dev, err := c.e.Open(device)
	if err != nil {
		return nil, nil, fmt.Errorf("the device above: %w", err)
	}
	below, err := c.e.Below(dev.Dev())
	switch {
	case err != nil:
		return nil, nil, err
	case r.above == nil:
		return nil, nil, devices.Refuse("there is no log for %s", device)
	case dev.Dev() == r.device.Dev || !slices.Contains(below, r.device.Dev):
		return nil, nil, devices.Refuse("%s is not built on the recorded device %s", device, r.Path)
	}
	if err := c.checkApart([]host.Disk{dev, r.above}); err != nil {
		return nil, nil, err
	}
	if err := dev.Claim(); err != nil {
		return nil, nil, err
	}
	upper, err := c.newRecording(v, dev, r.above)
	if err != nil {
		return nil, nil, err
	}
	p = &Plan{Title: fmt.Sprintf("record the writes to %s on %s", device, r.above.Path())}
	upper.start(p, dev)
	p.Add(plan.Do{What: "hand the log over", Run: func() error { r.above = nil; return nil }})
	return p, &Tower{Lower: r, Upper: upper}, nil
}

// Mark puts a mark into both logs, the upper one first: what was flushed above
// before the mark was then flushed below before it, too. It flushes nothing: that
// would make durable what the users of the device did not flush.
func (t *Tower) Mark(text string) error {
	c := t.Lower.c
	for _, r := range []*Recording{t.Upper, t.Lower} {
		if err := c.message(r.device.Name, text); err != nil {
			return err
		}
	}
	t.marks++
	return nil
}

// KeepMarking sets a mark every second until ctx ends, which is no error. I/O
// need not stop for it.
func (t *Tower) KeepMarking(ctx context.Context) error {
	tick := time.NewTicker(markInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := t.Mark(fmt.Sprint(markPrefix, t.marks+1)); err != nil {
				return err
			}
		}
	}
}

// Finish sets a last mark, takes the upper device down, removes what is built on
// the lower one, and takes that down as well. marks is how many marks the tower
// has set. If a device is still in use, the error wraps ErrBusy and
// ErrUnfinished.
func (t *Tower) Finish() (upper, lower Recorded, marks int, err error) {
	unmarked := t.Mark(markLast)
	if upper, err = t.Upper.Finish(); err == nil {
		lower, err = t.Lower.FinishAll()
	}
	return upper, lower, t.marks, errors.Join(unmarked, err)
}

// FinishAll is Finish after the removal of all mapped devices that are built on
// the recorded one, whoever made them.
func (r *Recording) FinishAll() (Recorded, error) {
	p := &Plan{Title: "remove what is built on " + r.device.Name.String()}
	stack, err := r.c.stackOn(r.device.Dev)
	if err != nil {
		return Recorded{}, err
	}
	for _, d := range stack {
		p.Finish(plan.Remove{Device: d.Ref()})
	}
	if err := r.c.e.RunLocked(context.Background(), p); err != nil {
		return Recorded{}, devices.Also(ErrUnfinished, "%w", err)
	}
	return r.Finish()
}

// stackOn returns the mapped devices that are built on one, from the top down.
// Those whose place is unknown are not among them.
func (c *Controller) stackOn(dev blockdev.DevNo) ([]*devices.Device, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	var stack []*devices.Device
	height := map[*devices.Device]int{}
	for _, d := range v {
		if below, err := c.e.Below(d.Dev); err == nil && d.Dev != dev && slices.Contains(below, dev) {
			stack = append(stack, d)
			height[d] = len(below) // more than that of any device below it
		}
	}
	slices.SortStableFunc(stack, func(a, b *devices.Device) int { return height[b] - height[a] })
	return stack, nil
}

// MarkRecordings puts a mark into the logs of all recordings of one stack, from
// the top down, and returns the names of their devices. device is the path of any
// recorded device in it; "" means that there is only one stack. See Tower.Mark.
func (c *Controller) MarkRecordings(device, text string) ([]string, error) {
	if err := checkMark(text); err != nil {
		return nil, err
	}
	recordings, err := c.recordingsOf(device)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range recordings {
		if err := c.message(d.Name, text); err != nil {
			return names, err
		}
		names = append(names, d.Name.String())
	}
	return names, nil
}

// recordingsOf returns the recordings of one stack, from the top down.
func (c *Controller) recordingsOf(device string) ([]*devices.Device, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(v, func(d *devices.Device) bool { return d.Role() != devices.RoleRecording })
	below := map[*devices.Device][]blockdev.DevNo{}
	for _, d := range all {
		if below[d], err = c.e.Below(d.Dev); err != nil {
			return nil, err
		}
	}
	if device != "" {
		one, err := c.e.Open(device)
		if err != nil {
			return nil, err
		}
		defer c.Release()
		at := slices.IndexFunc(all, func(d *devices.Device) bool { return d.Dev == one.Dev() })
		if at < 0 {
			return nil, devices.Refuse("%s is not being recorded", device)
		}
		chosen := all[at]
		all = slices.DeleteFunc(all, func(d *devices.Device) bool {
			return !slices.Contains(below[d], chosen.Dev) && !slices.Contains(below[chosen], d.Dev)
		})
	}
	slices.SortStableFunc(all, func(a, b *devices.Device) int { return len(below[b]) - len(below[a]) })
	for i := 1; i < len(all); i++ {
		if !slices.Contains(below[all[i-1]], all[i].Dev) {
			return nil, devices.Refuse("%s and %s are recorded apart from each other", all[i-1].Name, all[i].Name)
		}
	}
	if len(all) == 0 {
		return nil, devices.Refuse("nothing is being recorded")
	}
	return all, nil
}
