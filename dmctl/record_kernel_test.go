//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// record starts a recording of the first disk on the second.
func record(t *testing.T, c *Controller, r RecordRequest) *Recording {
	t.Helper()
	p, rec, err := c.PlanRecord(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
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
	l, err := logwrites.Open(direct, uint64(direct.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return l
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

// TestRecordingRefuses what would log onto itself, or a device in use.
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

// TestRecoverEndsRecording: of a run that was killed only the device is left,
// and its log is whole once recover has taken it down.
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
