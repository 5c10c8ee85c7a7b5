package dmctl

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// TestRecordPlan: what is done, in order.
func TestRecordPlan(t *testing.T) {
	f := dmtest.New()
	c := NewOn(f)
	p, rec, err := c.PlanRecord(context.Background(), RecordRequest{Device: "/dev/a", Log: "/dev/b", Mark: "begin"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"zero the start of /dev/b (8:1, 1048576 bytes), and what else on it could be taken for entries of the log",
		"create device dmsnap-record-8-0",
		"load table of dmsnap-record-8-0: log-writes of /dev/a (8:0), with its log on /dev/b (8:1)",
		"resume dmsnap-record-8-0",
		"see that /dev/mapper/dmsnap-record-8-0 is there",
		`flush dmsnap-record-8-0 and mark its log "begin"`,
		"keep the log open",
	}
	if got := strings.Join(p.Steps(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the plan is\n%s", got)
	}
	if rec.Path != "/dev/mapper/dmsnap-record-8-0" {
		t.Errorf("the path is %s", rec.Path)
	}
}

func TestRecordRefusals(t *testing.T) {
	number := func(path string) blockdev.DevNo { return dmtest.New().Disks[path].Number }
	killed := func(m *dmtest.Machine) {
		m.Devices = append(m.Devices, &dmtest.Device{Name: "dmsnap-record-8-0", Dev: blockdev.DevNo{Major: 253, Minor: 99}})
	}
	for _, tt := range []struct {
		name    string
		request RecordRequest
		when    func(*dmtest.Machine)
		want    error
		word    string
	}{
		{"mark of two words", RecordRequest{Device: "/dev/a", Log: "/dev/b", Mark: "the end"}, nil, ErrRefused, "has blanks"},
		{"what a killed recording left", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, killed, ErrUnfinished, "another recording of /dev/a"},
		{"the name is taken", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, killed, ErrExists, "another recording of /dev/a"},
		{"log read-only", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, disk("/dev/b", func(d *dmtest.Disk) { d.ReadOnly = true }), ErrRefused, "/dev/b is read-only"},
		{"device in use", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, disk("/dev/a", func(d *dmtest.Disk) { d.Mounted = "/mnt" }), ErrBusy, "/dev/a is mounted at /mnt"},
		{"log in use", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, disk("/dev/b", func(d *dmtest.Disk) { d.Mounted = "/mnt" }), ErrBusy, "/dev/b is mounted at /mnt"},
		{"device on the log", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, disk("/dev/a", func(d *dmtest.Disk) { d.LiesOn = []blockdev.DevNo{number("/dev/b")} }), ErrRefused, "/dev/a lies on /dev/b"},
		{"log on the device", RecordRequest{Device: "/dev/a", Log: "/dev/b"}, disk("/dev/b", func(d *dmtest.Disk) { d.LiesOn = []blockdev.DevNo{number("/dev/a")} }), ErrRefused, "/dev/b lies on /dev/a"},
	} {
		m := dmtest.New()
		if tt.when != nil {
			tt.when(m)
		}
		before := m.String()
		_, _, err := NewOn(m).PlanRecord(context.Background(), tt.request)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%s: %v; want %v with %q", tt.name, err, tt.want, tt.word)
		}
		if claimed := m.Claimed(); m.Calls > 0 || m.String() != before || len(claimed) > 0 {
			t.Errorf("%s: refused, but after %d calls, and %v stay claimed:\n%s", tt.name, m.Calls, claimed, m)
		}
	}
}

// TestRecordFailsWhole: no matter which call fails, no device is left. If the
// process dies instead, recover removes the device.
func TestRecordFailsWhole(t *testing.T) {
	request := RecordRequest{Device: "/dev/a", Log: "/dev/b"}
	start := func(f *dmtest.Machine) (err error, died bool) {
		c := NewOn(f)
		p, _, err := c.PlanRecord(context.Background(), request)
		if err != nil {
			t.Fatal(err)
		}
		died, err = dmtest.Dies(func() error { return c.Run(context.Background(), p) })
		return err, died
	}
	whole := dmtest.New()
	if err, _ := start(whole); err != nil || len(whole.Devices) != 1 {
		t.Fatalf("%d devices, %v", len(whole.Devices), err)
	}
	for _, how := range []dmtest.Failure{dmtest.Clean, dmtest.Dead, dmtest.After} {
		for call := 1; call <= whole.Calls; call++ {
			f := dmtest.New()
			f.Failures[call] = how
			err, died := start(f)
			if f.Failed() == 0 || err == nil && !died {
				t.Errorf("call %d %s: %v", call, how, err)
			}
			if died {
				f.Failures = map[int]dmtest.Failure{}
				if err := NewOn(f).Recover(context.Background()); err != nil {
					t.Errorf("call %d %s: recover: %v", call, how, err)
				}
			}
			if len(f.Devices) > 0 || len(f.NodeDevs) > 0 {
				t.Errorf("call %d %s: left behind:\n%v", call, how, f)
			}
		}
	}
}

// TestClearLog: on a log device, only what a reader could take for entries is
// overwritten.
func TestClearLog(t *testing.T) {
	old := bytes.Repeat([]byte("data "), 5*clearPiece/5)
	place := func(at int, e logwrites.Entry) {
		var b bytes.Buffer
		if err := logwrites.NewWriter(&b, 4096, 0).Write(e, nil); err != nil {
			t.Fatal(err)
		}
		copy(old[at:], b.Bytes()[4096:])
	}
	place(2*clearPiece-4096, logwrites.Entry{Flags: logwrites.Flush})
	place(3*clearPiece, logwrites.Entry{Flags: logwrites.Mark, Text: strings.Repeat("long ", 500)})
	f := dmtest.New()
	f.Disks["/dev/b"].Size, f.Disks["/dev/b"].Data = int64(len(old)), bytes.Clone(old)
	c := NewOn(f)
	log, err := c.e.Open("/dev/b")
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Claim(); err != nil {
		t.Fatal(err)
	}
	var seen []int64
	if err := clearLog(context.Background(), log, func(done, _ int64) { seen = append(seen, done/clearPiece) }); err != nil {
		t.Fatal(err)
	}
	for _, zeroed := range []int{0, 1, 3} {
		clear(old[zeroed*clearPiece:][:clearPiece])
	}
	if !bytes.Equal(f.Disks["/dev/b"].Data, old) || !slices.Equal(seen, []int64{1, 2, 3, 4, 5}) {
		t.Errorf("what is on the log device is not what was expected; progress %d", seen)
	}
	stop := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	if err := clearLog(ctx, log, nil); !errors.Is(err, stop) {
		t.Errorf("interrupted: %v", err)
	}
}
