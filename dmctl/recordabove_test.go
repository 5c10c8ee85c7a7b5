package dmctl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// recordedStack records /dev/a on /dev/b, and builds "origin" on "real" on it.
func recordedStack(t *testing.T) (*dmtest.Machine, *Controller, *Recording) {
	t.Helper()
	f := dmtest.New()
	c := NewOn(f)
	p, lower, err := c.PlanRecord(context.Background(), RecordRequest{Device: "/dev/a", Log: "/dev/b", LogAbove: "/dev/c"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	build(f, "real", 100, table.Linear{Device: lower.device.Dev.String()})
	build(f, "origin", 101, table.SnapshotOrigin{Device: "253:100"})
	return f, c, lower
}

// build adds a device that another program made. The fake lists devices in this
// order, so nothing is in the order in which it must be removed.
func build(f *dmtest.Machine, name string, minor uint32, on table.Spec) {
	f.Devices = append(f.Devices, &dmtest.Device{Name: name, Dev: blockdev.DevNo{Major: 253, Minor: minor}, Live: table.Single(2048, on)})
}

func recordAbove(t *testing.T, c *Controller, lower *Recording) *Tower {
	t.Helper()
	p, tower, err := lower.PlanAbove(context.Background(), "/dev/mapper/origin")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return tower
}

// TestTower: the plan of the upper recording, and its end, from the top down.
func TestTower(t *testing.T) {
	f, c, lower := recordedStack(t)
	p, tower, err := lower.PlanAbove(context.Background(), "/dev/mapper/origin")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"create device dmsnap-record-253-101",
		"load table of dmsnap-record-253-101: log-writes of /dev/mapper/origin (253:101), with its log on /dev/c (8:2)",
		"resume dmsnap-record-253-101",
		"see that /dev/mapper/dmsnap-record-253-101 is there",
		"hand the log over",
	}
	if got := p.Steps(); !slices.Equal(got, want) {
		t.Errorf("the plan is\n%s", strings.Join(got, "\n"))
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if tower.Upper.Path != "/dev/mapper/dmsnap-record-253-101" || lower.above != nil {
		t.Errorf("the upper path is %s, the log still waits: %v", tower.Upper.Path, lower.above != nil)
	}
	if _, _, marks, err := tower.Finish(); err != nil || marks != 1 {
		t.Errorf("the end: %d marks, %v", marks, err)
	}
	if len(f.Devices) > 0 || len(f.NodeDevs) > 0 || len(f.Claimed()) > 0 {
		t.Errorf("left behind:\n%v", f)
	}
}

// TestTowerIsInUse: if the upper device cannot be taken down, all stays.
func TestTowerIsInUse(t *testing.T) {
	f, c, lower := recordedStack(t)
	tower := recordAbove(t, c, lower)
	f.Find("dmsnap-record-253-101").Open = 1
	if _, _, _, err := tower.Finish(); !errors.Is(err, ErrBusy) || !errors.Is(err, ErrUnfinished) {
		t.Errorf("%v", err)
	}
	if len(f.Devices) != 4 {
		t.Errorf("left:\n%v", f)
	}
}

// TestTowerMarks: each mark is in both logs, the upper one first, and nothing is
// flushed for it.
func TestTowerMarks(t *testing.T) {
	f, c, lower := recordedStack(t)
	tower := recordAbove(t, c, lower)
	calls := f.Calls
	if err := tower.Mark("one"); err != nil {
		t.Fatal(err)
	}
	if f.Calls != calls+2 {
		t.Errorf("a mark took %d calls", f.Calls-calls)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 2500*time.Millisecond)
		defer cancel()
		if err := tower.KeepMarking(ctx); err != nil {
			t.Error(err)
		}
	})
	if _, _, marks, err := tower.Finish(); err != nil || marks != 4 {
		t.Errorf("%d marks, %v", marks, err)
	}
	var want []string
	for _, text := range []string{"one", "dmsnapctl-2", "dmsnapctl-3", "dmsnapctl-last"} {
		want = append(want, "dmsnap-record-253-101: mark "+text, "dmsnap-record-8-0: mark "+text)
	}
	if !slices.Equal(f.Messages, want) {
		t.Errorf("the messages are\n%s", strings.Join(f.Messages, "\n"))
	}
}

// TestTowerRefuses what cannot be recorded together.
func TestTowerRefuses(t *testing.T) {
	for name, r := range map[string]RecordRequest{
		"no such log":           {Device: "/dev/a", Log: "/dev/b", LogAbove: "/dev/x"},
		"both logs in one":      {Device: "/dev/a", Log: "/dev/b", LogAbove: "/dev/b"},
		"the log on the device": {Device: "/dev/a", Log: "/dev/b", LogAbove: "/dev/a"},
		"a read-only log":       {Device: "/dev/a", Log: "/dev/b", LogAbove: "/dev/c"},
		"one log on the other":  {Device: "/dev/a", Log: "/dev/b", LogAbove: "/dev/d"},
	} {
		f := dmtest.New()
		f.Disks["/dev/c"].ReadOnly = true
		f.Disks["/dev/d"].LiesOn = []blockdev.DevNo{f.Disks["/dev/b"].Number}
		if _, _, err := NewOn(f).PlanRecord(context.Background(), r); err == nil || len(f.Claimed()) > 0 {
			t.Errorf("%s: %v, claimed %v", name, err, f.Claimed())
		}
	}
	for device, want := range map[string]error{
		"/dev/d":                        devices.ErrRefused, // not on the recorded device
		"/dev/mapper/dmsnap-record-8-0": devices.ErrRefused, // the recorded device itself
		"/dev/mapper/real":              ErrBusy,
	} {
		_, _, lower := recordedStack(t)
		if _, _, err := lower.PlanAbove(context.Background(), device); !errors.Is(err, want) {
			t.Errorf("%s: %v", device, err)
		}
	}
	_, _, lower := recordedStack(t)
	lower.above = nil
	if _, _, err := lower.PlanAbove(context.Background(), "/dev/mapper/origin"); !errors.Is(err, devices.ErrRefused) {
		t.Errorf("without a log: %v", err)
	}
}

// TestTowerFailsWhole: no matter which call fails, no upper recording is left, and
// the lower one can be ended with all that was built on it.
func TestTowerFailsWhole(t *testing.T) {
	f, c, lower := recordedStack(t)
	before := f.Calls
	recordAbove(t, c, lower)
	for call := range f.Calls - before {
		f, c, lower := recordedStack(t)
		f.Failures[f.Calls+call+1] = dmtest.Clean
		p, _, err := lower.PlanAbove(context.Background(), "/dev/mapper/origin")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(context.Background(), p); err == nil || f.Failed() != 1 {
			t.Errorf("call %d: %v", call, err)
		}
		if f.Find("dmsnap-record-253-101") != nil {
			t.Errorf("call %d: left behind:\n%v", call, f)
		}
		if _, err := lower.FinishAll(); err != nil || len(f.Devices) > 0 || len(f.Claimed()) > 0 {
			t.Errorf("call %d: ended with %v:\n%v", call, err, f)
		}
	}
}

// TestMarkRecordings: the logs of one stack, from the top down, of a device that is
// recorded alone, or none.
func TestMarkRecordings(t *testing.T) {
	f, c, lower := recordedStack(t)
	recordAbove(t, c, lower)
	upper := "dmsnap-record-253-101"
	mark := func(device string, want ...string) {
		t.Helper()
		f.Messages = nil
		names, err := c.MarkRecordings(device, "here")
		if !slices.Equal(names, want) || (err != nil) != (len(want) == 0) {
			t.Errorf("%q: marked %v, %v", device, names, err)
		}
		for i, name := range names {
			if f.Messages[i] != name+": mark here" {
				t.Errorf("%q: the messages are %v", device, f.Messages)
			}
		}
	}
	mark("", upper, "dmsnap-record-8-0")
	mark("/dev/mapper/dmsnap-record-8-0", upper, "dmsnap-record-8-0")
	mark("/dev/mapper/"+upper, upper, "dmsnap-record-8-0")
	mark("/dev/mapper/origin")

	f.Disks["/dev/e"] = &dmtest.Disk{Number: blockdev.DevNo{Major: 8, Minor: 9}, Size: 1 << 20, BlockSize: 512}
	p, _, err := c.PlanRecord(context.Background(), RecordRequest{Device: "/dev/d", Log: "/dev/e"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	mark("")
	mark("/dev/mapper/dmsnap-record-8-3", "dmsnap-record-8-3")
	mark("/dev/mapper/"+upper, upper, "dmsnap-record-8-0")

	for _, text := range []string{"", "two words", "a\nb", strings.Repeat("x", logwrites.MaxMark+1)} {
		if _, err := c.MarkRecordings("/dev/mapper/"+upper, text); !errors.Is(err, devices.ErrRefused) {
			t.Errorf("the mark %.20q: %v", text, err)
		}
	}
	f.Devices = nil
	mark("")
}
