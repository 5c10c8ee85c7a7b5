//go:build linux && kernel

package dmctl

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// record starts a recording of the first disk on the second.
func record(t *testing.T, c *Controller, r RecordRequest) *Recording {
	t.Helper()
	p, rec, err := c.PlanRecord(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rec.log.Close() }) // a test that failed must not hold the device for the next ones
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return rec
}

func writeTo(t *testing.T, path string, offset int64, data []byte) {
	t.Helper()
	f, err := blockdev.OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

// smallLog is a part of a disk, as the log device of a recording.
func smallLog(t *testing.T, c *Controller, disk string, bytes int64) string {
	t.Helper()
	d, err := c.e.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	name := mustName(t, "small-log")
	uuid, err := devices.NewUUID("test", d.Dev())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		c.e.Create(name, uuid),
		c.e.Load(name, table.Single(cow.Sectors(bytes/512), table.Linear{Device: d.Dev().String()})),
		c.e.Resume(name, 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := c.e.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.e.AddNode(name, info.Dev); err != nil {
		t.Fatal(err)
	}
	return "/dev/mapper/small-log"
}

func readLog(t *testing.T, path string) *logwrites.Log {
	t.Helper()
	f, err := blockdev.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	direct, err := f.Direct()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { direct.Close() })
	l, err := logwrites.Open(direct, direct.Size())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// awaitMark reads the log until it has the mark. A thread of the kernel
// writes marks, and the log's first block only after the first of them.
func awaitMark(t *testing.T, path, mark string) {
	t.Helper()
	for range 500 {
		f, err := blockdev.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		direct, err := f.Direct()
		if err != nil {
			t.Fatal(errors.Join(err, f.Close()))
		}
		l, err := logwrites.Open(direct, direct.Size())
		there := false
		if err == nil {
			_, there = l.FindMark(mark)
		}
		closed := errors.Join(direct.Close(), f.Close())
		switch {
		case err != nil && !errors.Is(err, logwrites.ErrNoLog), closed != nil:
			t.Fatal(errors.Join(err, closed))
		case there:
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the kernel does not write the mark %q", mark)
}

// TestRecording: the log has what was written, between its marks.
func TestRecording(t *testing.T) {
	c, disks := scratch(t)
	log := smallLog(t, c, disks[1], 4*mib)
	writeTo(t, log, 0, []byte(strings.Repeat("garbage ", 4*mib/8)))
	rec := record(t, c, RecordRequest{Device: disks[0], Log: log, Mark: "begin"})
	if _, _, err := c.PlanRecord(context.Background(), RecordRequest{Device: disks[0], Log: log}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second recording of the device: %v", err)
	}
	c.Release()
	writeTo(t, rec.Path, 8*mib, []byte(strings.Repeat("x", 8192)))
	if err := rec.Mark("end"); err != nil {
		t.Error(err)
	}
	done, err := rec.Finish()
	if err != nil || done.Full || done.Bytes <= 8192 {
		t.Errorf("recorded %+v, %v", done, err)
	}
	l := readLog(t, log)
	begin, ok1 := l.FindMark("begin")
	end, ok2 := l.FindMark("end")
	wrote := func(e logwrites.Entry) bool { return e.Sector == 8*mib/512 && e.Sectors > 0 }
	var between []logwrites.Entry
	for i, e := range l.Entries() {
		if i >= begin && i < end {
			between = append(between, e)
		}
	}
	if !ok1 || !ok2 || !l.Complete() || !slices.ContainsFunc(between, wrote) {
		t.Errorf("the log, marks at %d and %d: %v", begin, end, between)
	}
	if _, err := os.Stat(rec.Path); err == nil {
		t.Errorf("%s is still there", rec.Path)
	}
}

// TestFullLog: a log without room for all is noticed.
func TestFullLog(t *testing.T) {
	c, disks := scratch(t)
	log := smallLog(t, c, disks[1], 64<<10)
	rec := record(t, c, RecordRequest{Device: disks[0], Log: log})
	writeTo(t, rec.Path, 0, make([]byte, mib))
	done, err := rec.Finish()
	if err != nil || !done.Full {
		t.Errorf("recorded %+v, %v", done, err)
	}
}

// TestRecordingRefuses a log on the recorded device, and a device in use.
func TestRecordingRefuses(t *testing.T) {
	c, disks := scratch(t)
	log := smallLog(t, c, disks[1], mib)
	for name, r := range map[string]RecordRequest{
		"the same device": {Device: disks[0], Log: disks[0]},
		"log on device":   {Device: disks[1], Log: log},
		"mark in words":   {Device: disks[0], Log: log, Mark: "two words"},
		"no device":       {Device: disks[0] + "x", Log: log},
	} {
		if _, _, err := c.PlanRecord(context.Background(), r); err == nil {
			t.Errorf("%s was planned", name)
		}
		c.Release()
	}
}

// TestRecoverEndsRecording: a killed run leaves only the device, and its log
// is complete after recover has taken it down.
func TestRecoverEndsRecording(t *testing.T) {
	c, disks := scratch(t)
	log := smallLog(t, c, disks[1], 4*mib)
	rec := record(t, c, RecordRequest{Device: disks[0], Log: log})
	writeTo(t, rec.Path, 8*mib, []byte(strings.Repeat("x", 8192)))
	held, err := os.Open(rec.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Recover(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(rec.Path); err != nil {
		t.Errorf("recover took a recording away that is in use: %v", err)
	}
	if err := errors.Join(held.Close(), rec.log.Close()); err != nil { // as if the process had ended
		t.Fatal(err)
	}
	settle(t) // what udev scans is in use, too
	if err := c.Recover(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(rec.Path); err == nil {
		t.Errorf("%s is still there", rec.Path)
	}
	if l := readLog(t, log); !l.Complete() {
		t.Errorf("the log: %q", l.Warnings())
	}
}

// TestRecordingOverAnOlderLog: on a device full of an older, longer log, only
// the new entries are read. That holds even if the machine died before the
// kernel ended the log: the content is then the same as here while the
// recording is up.
func TestRecordingOverAnOlderLog(t *testing.T) {
	c, disks := scratch(t)
	log := smallLog(t, c, disks[1], 4*mib)
	const strange = 7777 // a sector that this test never writes
	var old bytes.Buffer
	w := logwrites.NewWriter(&old, 512, 4*mib)
	for old.Len() < 4*mib {
		if err := w.Write(logwrites.Entry{Sector: strange, Flags: logwrites.Flush}, nil); err != nil { // one in each block
			t.Fatal(err)
		}
	}
	wantNew := func(when string) {
		t.Helper()
		l := readLog(t, log)
		entries, wrote := 0, false
		for _, e := range l.Entries() {
			if e.Sector == strange {
				t.Errorf("%s: entry %d of %d (%d declared) is of the older log", when, entries, l.Len(), l.Declared)
				return
			}
			wrote = wrote || e.Sector == 2*mib/512
			entries++
		}
		if !wrote {
			t.Errorf("%s: what was written is not among %d entries", when, entries)
		}
	}
	for _, bytesWritten := range []int{mib, 8192} { // the second log is shorter than the first
		writeTo(t, log, 0, old.Bytes()[:4*mib])
		rec := record(t, c, RecordRequest{Device: disks[0], Log: log, Mark: "begin"})
		c.Release()
		writeTo(t, rec.Path, 2*mib, make([]byte, bytesWritten))
		if err := rec.Mark("end"); err != nil {
			t.Error(err)
		}
		awaitMark(t, log, "end")
		wantNew("before the end")
		if done, err := rec.Finish(); err != nil || done.Full {
			t.Errorf("recorded %+v, %v", done, err)
		}
		wantNew("at the end")
	}
}
