package dmctl

// Another name for a snapshot.

import (
	"context"
	"fmt"
)

// PlanRename plans another name for a snapshot, in use or not. The device
// that its origin is written through keeps its name.
func (c *Controller) PlanRename(_ context.Context, from, to string) (*Plan, error) {
	d, err := c.snapshotDevice("rename", from)
	if err != nil {
		return nil, err
	}
	name, err := newName(to)
	if err != nil {
		return nil, err
	}
	if _, err := c.k.Info(name); err == nil {
		return nil, &Error{"rename to", to, errTaken}
	}
	if err := c.h.NodeFree(name); err != nil {
		return nil, &Error{"rename to", to, err}
	}
	l := &layer{name: d.Name, uuid: d.UUID, dev: d.Dev}
	p := &Plan{Title: fmt.Sprintf("rename snapshot %s to %s", d.Name, name)}
	p.add(fmt.Sprintf("rename %s to %s", d.Name, name),
		func() error { return c.rename(l, name) },
		func() error { return c.rename(l, d.Name) })
	c.addNode(p, l, name)
	p.finish(fmt.Sprintf("see that /dev/mapper/%s is gone", d.Name),
		func() error { return c.removeNode(d.Name) })
	return p, nil
}
