package dmctl

// Intents: what must be cleaned up of a snapshot that lasts as long as a command,
// written down before any of it exists.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// commands cleans up after runs that died while their command ran.
func (r *recovery) commands() error {
	left, err := r.c.e.Forsaken()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		r.p.Finish(plan.Do{What: fmt.Sprintf("unmount and remove %s, left by an interrupted command", name), Run: func() error {
			l, err := leftoverOf(name, left[name])
			if err == nil {
				err = r.c.clearUp(l)
			}
			if err != nil && !errors.Is(err, errBreaksOff) {
				return err // the intent stays
			}
			return r.c.e.Forget(name)
		}})
	}
	return nil
}

// leftover lists what must be cleaned up of a snapshot.
type leftover struct {
	Snapshot string `json:"snapshot"`         // the device's name
	Mount    string `json:"mount,omitempty"`  // where it is mounted
	COW      string `json:"cow,omitempty"`    // the device whose start is zeroed at the end
	Volume   string `json:"volume,omitempty"` // VG/LV, if LVM made the snapshot
}

// errBreaksOff says that a run died while it wrote its intent, before it made
// anything.
var errBreaksOff = errors.New("the intent breaks off")

// leftoverOf reads an intent. Another version of the program may have written
// one that says what this version does not know: that is an error.
func leftoverOf(name string, text []byte) (l leftover, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err = dec.Decode(&l)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return l, errBreaksOff
	}
	if err == nil && l.Snapshot != name {
		err = fmt.Errorf("it is about %q", l.Snapshot)
	}
	if err != nil {
		return l, fmt.Errorf("the intent of %s has an unknown format: %w", name, err)
	}
	return l, nil
}

// clearUp does the work of an intent that is not yet done. It works from the
// current state of the machine.
func (c *Controller) clearUp(l leftover) error {
	if err := c.unmountSnapshot(l); err != nil {
		return err
	}
	if l.Volume != "" {
		return c.removeVolume(l)
	}
	p, err := c.PlanRemove(context.Background(), RemoveRequest{Name: l.Snapshot})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if dev, ok := devices.ParseDev(l.COW); ok {
		p.Finish(plan.Do{What: "zero the start of its store for the next snapshot", Run: func() error { return c.zeroHead(dev) }})
	}
	return c.e.RunLocked(context.Background(), p)
}

// unmountSnapshot unmounts an existing snapshot from its place.
func (c *Controller) unmountSnapshot(l leftover) error {
	if l.Mount == "" {
		return nil
	}
	dev, err := c.devOf(l.Snapshot)
	if devices.IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.e.Unmount(dev, l.Mount)
}

// headOf returns how much of a COW device is zeroed: as much as must be blank.
func headOf(d host.Disk) int64 { return min(blankBytes, d.Bytes()) }

func (c *Controller) zeroHead(dev blockdev.DevNo) error {
	d, err := c.e.OpenDev(dev)
	if err != nil {
		return err
	}
	return errors.Join(d.Zero(headOf(d)), d.Close())
}

// removeVolume makes LVM remove a snapshot that it still knows.
func (c *Controller) removeVolume(l leftover) error {
	if err := c.e.LVM("lvs", l.Volume); err != nil {
		if _, gone := c.devOf(l.Snapshot); devices.IsGone(gone) {
			return nil
		}
		return err
	}
	return c.e.LVM("lvremove", "-y", l.Volume)
}

// devOf returns the number of the mapped device with a name.
func (c *Controller) devOf(name string) (blockdev.DevNo, error) {
	n, err := devices.ParseName(name)
	if err != nil {
		return blockdev.DevNo{}, err
	}
	info, err := c.e.Info(n)
	if err != nil {
		return blockdev.DevNo{}, &Error{Op: "find", Name: name, Err: err}
	}
	return info.Dev, nil
}
