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
	// Progress, if not nil, is called with the number of the log device's
	// bytes that have been checked.
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
	finished bool
}

// Recorded is the result of a recording.
type Recorded struct {
	Entries int    // entries in the log
	Bytes   uint64 // used bytes of the log device
	// Full says that the log was too small: it ends at the last entry, and
	// later writes were not logged.
	Full bool
}

// PlanRecord plans the recording of a device that nobody uses. After the plan
// has run, other controllers may continue; Finish takes the device down.
func (c *Controller) PlanRecord(ctx context.Context, r RecordRequest) (p *Plan, rec *Recording, err error) {
	defer c.giveUp(&err)
	if strings.ContainsAny(r.Mark, " \t\n") { // a message is split into words, and the target takes two
		return nil, nil, devices.Refuse("the mark %q has blanks, which log-writes takes for the end of it", r.Mark)
	}
	v, err := c.lookLocked(ctx)
	if err != nil {
		return nil, nil, err
	}
	dev, log, err := c.openRecord(r)
	if err != nil {
		return nil, nil, err
	}
	name, err := devices.ParseName(fmt.Sprintf("%s%d-%d", recordPrefix, dev.Dev().Major, dev.Dev().Minor))
	if err != nil {
		return nil, nil, err
	}
	if v.ByName(name) != nil {
		return nil, nil, &Error{Op: "create", Name: name.String(), Err: devices.Also(ErrUnfinished, "%w: another recording of %s, or one that was killed", ErrExists, r.Device)}
	}
	ref, err := devices.NewRef(name, devices.RoleRecording, dev.Dev())
	if err != nil {
		return nil, nil, err
	}
	rec = &Recording{Path: "/dev/mapper/" + name.String(), c: c, device: ref, log: log}
	p = &Plan{Title: fmt.Sprintf("record the writes to %s on %s", r.Device, r.Log)}
	logged := table.Single(cow.Sectors(dev.Bytes()/cow.SectorSize), table.LogWrites{Device: dev.Dev().String(), Log: log.Dev().String()})
	p.Add(plan.Rewrite{
		What: fmt.Sprintf("zero the start of %s (%v, %d bytes), and what else on it could be taken for entries of the log", r.Log, log.Dev(), log.Bytes()),
		Left: fmt.Sprintf("the start of %s is zeroed, and perhaps more of it", r.Log),
		Run:  func() error { return clearLog(ctx, log, r.Progress) },
	},
		plan.Create{Device: ref},
		plan.Load{Device: ref, Table: plan.Table{Known: logged}, New: true, Releases: []host.Disk{dev, log},
			What: fmt.Sprintf("log-writes of %s (%v), with its log on %s (%v)", r.Device, dev.Dev(), r.Log, log.Dev())},
		plan.Resume{Device: ref, Udev: devices.UdevPrimary},
		plan.Node{Device: ref, Name: name})
	if r.Mark != "" {
		p.Add(plan.Do{What: fmt.Sprintf("flush %s and mark its log %q", name, r.Mark), Run: func() error { return rec.Mark(r.Mark) }})
	}
	p.Add(plan.Do{What: "keep the log open", Run: func() error { c.e.Keep(log); return nil }})
	return p, rec, nil
}

// openRecord opens the two devices and refuses what cannot be recorded. It
// claims both.
func (c *Controller) openRecord(r RecordRequest) (dev, log host.Disk, err error) {
	if dev, err = c.e.Open(r.Device); err != nil {
		return nil, nil, fmt.Errorf("the device: %w", err)
	}
	if log, err = c.e.Open(r.Log); err != nil {
		return nil, nil, fmt.Errorf("the log: %w", err)
	}
	if log.ReadOnly() {
		return nil, nil, devices.Refuse("%s is read-only", r.Log)
	}
	for _, pair := range [][2]host.Disk{{dev, log}, {log, dev}} {
		one, other := pair[0], pair[1]
		users, err := c.e.Users(one.Dev())
		if err != nil {
			return nil, nil, err
		}
		if len(users) > 0 {
			return nil, nil, devices.Busy("%s is %s", one.Path(), host.InWords(users))
		}
		below, err := c.e.Below(one.Dev())
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(below, other.Dev()) {
			return nil, nil, devices.Refuse("%s lies on %s", one.Path(), other.Path())
		}
	}
	return dev, log, errors.Join(dev.Claim(), log.Claim())
}

// Mark flushes the device and puts a mark into its log. Without the flush,
// writes completed before the mark could appear after it.
func (r *Recording) Mark(text string) error {
	if err := r.flush(); err != nil {
		return err
	}
	if err := r.c.e.Message(r.device.Name, 0, "mark "+text); err != nil {
		return &Error{Op: "mark the log of", Name: r.device.Name.String(), Err: err}
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
