package dmctl

// Recording: a device under dm-log-writes, which logs every write to it, while
// a workload runs on it.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// recordPrefix begins the names of recorded devices; their device numbers
// follow.
const recordPrefix = "dmsnap-record-"

// RecordRequest asks for a log of the writes to a device.
type RecordRequest struct {
	Device, Log string // paths of block devices; the contents of Log are lost
	Mark        string // a mark at the start; "" for none
	// LogAbove is the block device for the log of a second recording, of a device
	// that will be built on this one: see PlanAbove. "" means no second recording.
	// Its contents are lost.
	LogAbove string
	// Progress, if not nil, is called with the number of a log device's bytes
	// that have been checked.
	Progress func(done, total int64)
}

// Recording is a recorded device, after its plan has run.
type Recording struct {
	// Path of the device to write through: direct writes to Device are not
	// logged.
	Path string

	c        *Controller
	device   *devices.Ref
	log      host.Disk
	above    host.Disk // for the log of a recording on top; nil if there is none, or it has begun
	finished bool
}

// Recorded is the result of a recording.
type Recorded struct {
	Entries int   // entries in the log
	Bytes   int64 // used bytes of the log device
	// Full says that the log was too small: it ends at the last entry, and
	// later writes were not logged.
	Full bool
}

// PlanRecord plans the recording of a device that nobody uses. After the plan
// has run, other controllers may continue; Finish takes the device down.
func (c *Controller) PlanRecord(ctx context.Context, r RecordRequest) (p *Plan, rec *Recording, err error) {
	defer c.giveUp(&err)
	if r.Mark != "" {
		if err := checkMark(r.Mark); err != nil {
			return nil, nil, err
		}
	}
	v, err := c.lookLocked(ctx)
	if err != nil {
		return nil, nil, err
	}
	dev, log, above, err := c.openRecord(r)
	if err != nil {
		return nil, nil, err
	}
	if rec, err = c.newRecording(v, dev, log); err != nil {
		return nil, nil, err
	}
	p = &Plan{Title: fmt.Sprintf("record the writes to %s on %s", r.Device, r.Log)}
	p.Add(clearingLog(ctx, log, r.Progress))
	if above != nil {
		rec.above = above
		p.Add(clearingLog(ctx, above, r.Progress))
	}
	rec.start(p, dev)
	if above != nil {
		p.Note("a device that is built on it will be recorded on %s", r.LogAbove)
	}
	if r.Mark != "" {
		p.Add(plan.Do{What: fmt.Sprintf("flush %s and mark its log %q", rec.device.Name, r.Mark), Run: func() error { return rec.Mark(r.Mark) }})
	}
	p.Add(plan.Do{What: "keep the log open", Run: func() error {
		c.e.Keep(log)
		if above != nil {
			c.e.Keep(above)
		}
		return nil
	}})
	return p, rec, nil
}

// newRecording names the recording of an open device.
func (c *Controller) newRecording(v devices.View, dev, log host.Disk) (*Recording, error) {
	name, err := devices.ParseName(fmt.Sprintf("%s%d-%d", recordPrefix, dev.Dev().Major, dev.Dev().Minor))
	if err != nil {
		return nil, err
	}
	if v.ByName(name) != nil {
		return nil, &Error{Op: "create", Name: name.String(), Err: devices.Also(ErrUnfinished, "%w: another recording of %s, or one that was killed", ErrExists, dev.Path())}
	}
	ref, err := devices.NewRef(name, devices.RoleRecording, dev.Dev())
	if err != nil {
		return nil, err
	}
	return &Recording{Path: blockdev.MappedNodes + name.String(), c: c, device: ref, log: log}, nil
}

func clearingLog(ctx context.Context, log host.Disk, progress func(done, total int64)) plan.Step {
	return plan.Rewrite{
		What: fmt.Sprintf("zero the start of %s (%v, %d bytes), and what else on it could be taken for entries of the log", log.Path(), log.Dev(), log.Bytes()),
		Left: fmt.Sprintf("the start of %s is zeroed, and perhaps more of it", log.Path()),
		Run:  func() error { return clearLog(ctx, log, progress) },
	}
}

// start adds the steps that put a claimed device under log-writes.
func (r *Recording) start(p *Plan, dev host.Disk) {
	logged := table.Single(cow.Sectors(dev.Bytes()/cow.SectorSize), table.LogWrites{Device: dev.Dev().String(), Log: r.log.Dev().String()})
	p.Add(plan.Create{Device: r.device},
		plan.Load{Device: r.device, Table: plan.Table{Known: logged}, New: true, Releases: []host.Disk{dev, r.log},
			What: fmt.Sprintf("log-writes of %s (%v), with its log on %s (%v)", dev.Path(), dev.Dev(), r.log.Path(), r.log.Dev())},
		plan.Resume{Device: r.device, Udev: devices.UdevPrimary},
		plan.Node{Device: r.device, Name: r.device.Name})
}

// openRecord opens the devices of a request and refuses what cannot be
// recorded. It claims all of them.
func (c *Controller) openRecord(r RecordRequest) (dev, log, above host.Disk, err error) {
	if dev, err = c.e.Open(r.Device); err != nil {
		return nil, nil, nil, fmt.Errorf("the device: %w", err)
	}
	if log, err = c.openLog(r.Log, "the log"); err != nil {
		return nil, nil, nil, err
	}
	all := []host.Disk{dev, log}
	if r.LogAbove != "" {
		if above, err = c.openLog(r.LogAbove, "the log of the device above"); err != nil {
			return nil, nil, nil, err
		}
		all = append(all, above)
	}
	if err := c.checkApart(all); err != nil {
		return nil, nil, nil, err
	}
	for _, d := range all {
		if err := d.Claim(); err != nil {
			return nil, nil, nil, err
		}
	}
	return dev, log, above, nil
}

func (c *Controller) openLog(path, what string) (host.Disk, error) {
	log, err := c.e.Open(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case log.ReadOnly():
		return nil, devices.Refuse("%s is read-only", path)
	}
	return log, nil
}

// checkApart refuses devices that are in use, or lie on one another.
func (c *Controller) checkApart(all []host.Disk) error {
	for i, one := range all {
		users, err := c.e.Users(one.Dev())
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return devices.Busy("%s is %s", one.Path(), host.InWords(users))
		}
		below, err := c.e.Below(one.Dev())
		if err != nil {
			return err
		}
		for j, other := range all {
			if i != j && slices.Contains(below, other.Dev()) {
				return devices.Refuse("%s lies on %s", one.Path(), other.Path())
			}
		}
	}
	return nil
}

// checkMark refuses the text of a mark that log-writes would not keep whole: a
// message is split into words, and the target takes two.
func checkMark(text string) error {
	switch {
	case text == "":
		return devices.Refuse("a mark has a text")
	case strings.ContainsAny(text, " \t\n\v\f\r"):
		return devices.Refuse("the mark %q has blanks, which log-writes takes for the end of it", text)
	case len(text) > logwrites.MaxMark:
		return devices.Refuse("the mark has %d bytes, more than the %d for which a log has room", len(text), logwrites.MaxMark)
	}
	return nil
}

// Mark flushes the device and puts a mark into its log. Without the flush,
// writes completed before the mark could appear after it.
func (r *Recording) Mark(text string) error {
	if err := r.flush(); err != nil {
		return err
	}
	return r.c.message(r.device.Name, text)
}

// message puts a mark into the log of a recording, without a flush.
func (c *Controller) message(name devices.Name, text string) error {
	if err := c.e.Message(name, 0, "mark "+text); err != nil {
		return &Error{Op: "mark the log of", Name: name.String(), Err: err}
	}
	return nil
}

func (r *Recording) flush() error {
	d, err := r.c.e.OpenDev(r.device.Dev)
	if err == nil {
		err = errors.Join(d.Flush(), d.Close())
	}
	if err != nil {
		return &Error{Op: "flush", Name: r.device.Name.String(), Err: err}
	}
	return nil
}

// Finish flushes the device, takes it down, which makes the kernel write the
// rest of the log, and reports the result. If the device is still in use, the
// error wraps ErrBusy and ErrUnfinished.
func (r *Recording) Finish() (Recorded, error) {
	if r.finished {
		return Recorded{}, nil
	}
	if err := r.flush(); err != nil {
		return Recorded{}, err
	}
	p := &Plan{Title: fmt.Sprintf("end the recording on %s", r.log.Path())}
	p.Finish(plan.Remove{Device: r.device})
	if err := r.c.e.RunLocked(context.Background(), p); err != nil {
		return Recorded{}, devices.Also(ErrUnfinished, "%w", err)
	}
	r.finished = true
	done, err := r.readLog()
	if r.above != nil {
		err = errors.Join(err, r.above.Close())
	}
	return done, errors.Join(err, r.log.Close())
}

// readLog reads the log. The target's own count lags while the device is up,
// because a separate thread writes the log. A log that ran full lacks the mark
// that the target ends it with.
func (r *Recording) readLog() (done Recorded, err error) {
	content, err := r.log.Content()
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	l, err := logwrites.Open(content, content.Size())
	if errors.Is(err, logwrites.ErrNoLog) { // not even its first block fits
		return Recorded{Full: true}, nil
	}
	if err != nil {
		return done, fmt.Errorf("%s: %w", r.log.Path(), err)
	}
	return Recorded{Entries: l.Len(), Bytes: l.Bytes(), Full: !l.Complete()}, nil
}
