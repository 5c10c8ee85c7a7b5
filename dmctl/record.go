package dmctl

// Recording: a device under dm-log-writes, which logs every write to it, while
// a workload runs on top.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// roleRecording is a device under dm-log-writes.
const roleRecording role = "record"

// recordPrefix begins the names of recorded devices; their numbers follow.
const recordPrefix = "dmsnap-record-"

// RecordRequest asks for the writes to a device to be logged.
type RecordRequest struct {
	Device, Log string // paths of block devices; what Log carries is lost
	Mark        string // a mark at the start; empty for none
}

// Recording is a recorded device, once its plan was run.
type Recording struct {
	// Path of the device to write through: what is written to Device directly
	// is not logged.
	Path string

	c        *Controller
	l        *layer
	log      disk
	finished bool
}

// Recorded is what a recording came to.
type Recorded struct {
	Entries int    // in the log
	Bytes   uint64 // of the log device that are used
	// Full says that the log had no room for all: it is of no use behind the
	// last entry, and writes went on unlogged.
	Full bool
}

// messenger is the verb of the kernel that only recording needs; the real one
// has it from wire.
type messenger interface {
	Message(name wire.Name, sector uint64, text string) error
}

// PlanRecord plans the recording of a device that nobody uses. When the plan
// was run, other controllers go on, and Finish takes the device down.
func (c *Controller) PlanRecord(_ context.Context, r RecordRequest) (*Plan, *Recording, error) {
	dev, logDisk, err := c.checkRecord(r)
	if err != nil {
		return nil, nil, err
	}
	name, err := wire.NewName(fmt.Sprintf("%s%d-%d", recordPrefix, dev.Dev.Major, dev.Dev.Minor))
	if err != nil {
		return nil, nil, err
	}
	v, err := c.lookLocked()
	if err != nil {
		return nil, nil, err
	}
	if v.byName(name) != nil {
		return nil, nil, &Error{"create", name.String(), fmt.Errorf("%w: another recording of %s, or one that was killed (`dmsnapctl recover` removes it)", ErrExists, r.Device)}
	}
	l, err := newLayer(name, roleRecording, dev.Dev)
	if err != nil {
		return nil, nil, err
	}
	rec := &Recording{Path: "/dev/mapper/" + name.String(), c: c, l: l, log: logDisk}
	p := &Plan{Title: fmt.Sprintf("record the writes to %s on %s", r.Device, r.Log)}
	// Entries are told from what the log device carried by the zeros behind
	// the last one: after a kill nothing else says how many there are.
	p.add(fmt.Sprintf("zero %s (%d bytes) and flush it", r.Log, logDisk.Bytes),
		func() error { return c.h.Zero(r.Log, logDisk.Bytes) }, nil)
	c.addLayer(p, l, func() table.Table {
		return table.Single(cow.Sectors(dev.Bytes/cow.SectorSize), table.LogWrites{Device: dev.Dev.String(), Log: logDisk.Dev.String()})
	}, fmt.Sprintf("log-writes of %s, with its log on %s", r.Device, r.Log))
	c.addResume(p, l, wire.UdevPrimary)
	c.addNode(p, l, name)
	if r.Mark != "" {
		p.add(fmt.Sprintf("flush %s and mark its log %q", name, r.Mark), func() error { return rec.Mark(r.Mark) }, nil)
	}
	return p, rec, nil
}

// checkRecord refuses what cannot be recorded.
func (c *Controller) checkRecord(r RecordRequest) (dev, logDisk disk, err error) {
	if dev, err = c.h.Disk(r.Device); err != nil {
		return dev, logDisk, fmt.Errorf("the device: %w", err)
	}
	if logDisk, err = c.h.Disk(r.Log); err != nil {
		return dev, logDisk, fmt.Errorf("the log: %w", err)
	}
	if strings.ContainsAny(r.Mark, " \t\n") { // a message's words are split, and the target takes two
		return dev, logDisk, refuse("the mark %q has blanks, which log-writes takes for the end of it", r.Mark)
	}
	if logDisk.ReadOnly {
		return dev, logDisk, refuse("%s is read-only", r.Log)
	}
	for _, d := range []disk{dev, logDisk} {
		users, err := c.h.Users(d.Dev)
		if err != nil {
			return dev, logDisk, err
		}
		if len(users) > 0 {
			return dev, logDisk, fmt.Errorf("%s is %s: %w", d.Path, inWords(users), ErrBusy)
		}
	}
	for _, pair := range [][2]disk{{dev, logDisk}, {logDisk, dev}} {
		below, err := c.h.Below(pair[0].Dev)
		if err != nil {
			return dev, logDisk, err
		}
		if slices.Contains(below, pair[1].Dev) {
			return dev, logDisk, refuse("%s lies on %s", pair[0].Path, pair[1].Path)
		}
	}
	return dev, logDisk, nil
}

// Mark flushes the device and puts a mark into its log: without the flush,
// writes that were done before it could stand behind it.
func (r *Recording) Mark(text string) error {
	k, ok := r.c.k.(messenger)
	if !ok {
		return &Error{"mark the log of", r.l.name.String(), errors.ErrUnsupported}
	}
	if err := r.c.h.Flush(r.Path); err != nil {
		return &Error{"flush", r.l.name.String(), err}
	}
	if err := k.Message(r.l.name, 0, "mark "+text); err != nil {
		return &Error{"mark the log of", r.l.name.String(), err}
	}
	return nil
}

// Finish flushes the device, takes it down, by which the rest of the log is
// written, and tells what came of it. A device that is still in use is an error
// that wraps ErrBusy.
func (r *Recording) Finish() (Recorded, error) {
	if r.finished {
		return Recorded{}, nil
	}
	if err := r.c.h.Flush(r.Path); err != nil {
		return Recorded{}, &Error{"flush", r.l.name.String(), err}
	}
	if err := r.c.removeLayer(r.l); err != nil {
		return Recorded{}, fmt.Errorf("%w; end what uses it, then run `dmsnapctl recover`", err)
	}
	r.finished = true
	return r.readLog()
}

// readLog looks at what is in the log. The target's own count is behind while
// the device is up, as a thread of its own writes the log; and a log that ran
// full lacks the mark that the target ends it with.
func (r *Recording) readLog() (done Recorded, err error) {
	f, err := blockdev.Open(r.log.Path)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	direct, err := f.Direct()
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, direct.Close()) }()
	l, err := logwrites.Open(direct, uint64(direct.Size()))
	if errors.Is(err, logwrites.ErrNoLog) { // not even its first block found room
		return Recorded{Full: true}, nil
	}
	if err != nil {
		return done, fmt.Errorf("%s: %w", r.log.Path, err)
	}
	return Recorded{Entries: l.Len(), Bytes: l.Bytes(), Full: !l.Complete()}, nil
}

// by names users, where there are any.
func by(users []user) string {
	if len(users) == 0 {
		return ""
	}
	return " (it is " + inWords(users) + ")"
}

// recordings removes recorded devices that nobody uses: who recorded was
// killed. Taking them down writes what the log still lacks.
func (r *recovery) recordings() {
	for _, d := range r.v {
		if d.role() != roleRecording {
			continue
		}
		if users, err := r.c.h.Users(d.Dev); err != nil || len(users) > 0 || d.OpenCount > 0 {
			r.p.note("%s is being recorded, or still in use%s: it stays until that ends and `dmsnapctl recover` is run again", d.Name, by(users))
			continue
		}
		r.remove(d)
	}
}
