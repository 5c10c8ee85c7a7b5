package monitor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

func TestGrowthBy(t *testing.T) {
	const sector = cow.SectorSize
	for _, tt := range []struct {
		growth           Growth
		allocated, total cow.Sectors
		want             int64
	}{
		{Growth{At: 80, Bytes: 100 * sector}, 80, 100, 100 * sector},
		{Growth{At: 80, Percent: 10}, 80, 100, 10 * sector},
		{Growth{At: 80, Percent: 10}, 800, 1000, 100 * sector},
		{Growth{At: 50, Bytes: 10 * sector}, 100, 100, 110 * sector}, // at 200 it would be exactly as full as At
		{Growth{At: 50, Bytes: 99 * sector}, 100, 100, 198 * sector},
		{Growth{At: 100, Bytes: 1}, 100, 100, 1},
		{Growth{At: 1, Percent: 0.000001}, 1, 100, 1},
		{Growth{At: 0.001, Bytes: 1 << 62}, 1 << 50, 1 << 50, 1 << 62},
	} {
		if got := tt.growth.by(dmctl.Snapshot{Allocated: tt.allocated, Total: tt.total}); got != tt.want {
			t.Errorf("%+v, %d of %d sectors: %d bytes, want %d", tt.growth, tt.allocated, tt.total, got, tt.want)
		}
	}
}

// Only stores that fill up, are ours, can be written to and have a file grow.
func TestGrowthWanted(t *testing.T) {
	g := Growth{At: 80, Bytes: 1}
	for name, change := range map[string]func(*Growth, *dmctl.Snapshot){
		"all right":      func(*Growth, *dmctl.Snapshot) {},
		"not asked for":  func(g *Growth, _ *dmctl.Snapshot) { g.At = 0 },
		"below":          func(_ *Growth, s *dmctl.Snapshot) { s.UsedPercent = 79.9 },
		"overflow":       func(_ *Growth, s *dmctl.Snapshot) { s.State = "overflow" },
		"merging":        func(_ *Growth, s *dmctl.Snapshot) { s.State = dmctl.StateMerging },
		"suspended":      func(_ *Growth, s *dmctl.Snapshot) { s.Suspended = true },
		"LVM's":          func(_ *Growth, s *dmctl.Snapshot) { s.Owner = "LVM" },
		"without a file": func(_ *Growth, s *dmctl.Snapshot) { s.COWFile = "" },
	} {
		g, s := g, filled("a", "1", "active", 80)
		s.Owner, s.COWFile = "dmsnapctl", "/stores/a.cow"
		change(&g, &s)
		if got, want := g.wanted(s), name == "all right"; got != want {
			t.Errorf("%s: wanted %v", name, got)
		}
	}
}

// growing is a machine with a clone that is 80 percent full.
func growing(t *testing.T, storeBytes int64) (*dmtest.Machine, *dmctl.Controller) {
	t.Helper()
	m := dmtest.New()
	m.Files["/img"] = &dmtest.File{Bytes: 1 << 20}
	c := dmctl.NewOn(m)
	if err := c.Clone(context.Background(), dmctl.CloneRequest{Names: []string{"s"}, Base: "/img", StoreDir: "/stores", StoreSize: storeBytes}); err != nil {
		t.Fatal(err)
	}
	m.Find("s").Status = "80/100 16"
	return m, c
}

// Even if it is told to stop as soon as a store has grown, the monitor says how
// large it is now.
func TestGrownEventOfAStoppedMonitor(t *testing.T) {
	m, c := growing(t, 64<<10)
	ctx, cancel := context.WithCancel(context.Background())
	g := Growth{At: 80, Bytes: 4096, Failed: func(string, error) {
		cancel()
		m.Find("s").Status = "80/108 16"
	}}
	s, err := c.SnapshotNamed(ctx, "s")
	if err != nil {
		t.Fatal(err)
	}
	e := g.of(ctx, c, s)
	if e == nil || e.Snapshot.Total != 108 || !strings.Contains(e.Message, "from 51200 to 55296 bytes") {
		t.Errorf("event: %+v", e)
	}
}

// A store that is gone when the monitor looks again has still grown.
func TestGrownEventOfALostStore(t *testing.T) {
	_, c := growing(t, 64<<10)
	e := grownEvent(context.Background(), c, dmctl.Snapshot{Name: "gone", Total: 100})
	if !strings.Contains(e.Message, "grew from 51200 bytes, and cannot be looked at: ") {
		t.Errorf("event: %s", e.Message)
	}
}

func TestMonitorGrowsAStore(t *testing.T) {
	m, c := growing(t, 64<<10)
	var events, failed []string
	opt := Options{Threshold: 100, Growth: Growth{At: 80, Bytes: 4096, Failed: func(name string, err error) {
		failed = append(failed, fmt.Sprint(name, " ", err))
	}}}
	if err := look(context.Background(), c, newWatcher(100), opt, func(e Event) error {
		events = append(events, fmt.Sprintf("%s %s", e.Kind, e.Message))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if bytes := m.Files["/stores/s.cow"].Bytes; bytes != 68<<10 {
		t.Errorf("the store has %d bytes", bytes)
	}
	if got := strings.Join(events, "; "); !strings.Contains(got, "grown the store of s grew from 51200 to 51200 bytes") {
		t.Errorf("events: %s", got) // the figures come from the fixed status line
	}
	if got := strings.Join(failed, "; "); got != "s <nil>" {
		t.Errorf("told of: %s", got)
	}
}

// A store that cannot grow is reported, and the look continues. One that needs
// no more room is not reported.
func TestMonitorCannotGrowAStore(t *testing.T) {
	for name, bytes := range map[string]int64{"small": 64 << 10, "large enough": 0} {
		m, c := growing(t, bytes)
		m.Failures = map[int]dmtest.Failure{m.Calls + 1: dmtest.Clean}
		var failed []error
		looked := false
		opt := Options{Threshold: 100,
			Growth: Growth{At: 80, Bytes: 4096, Failed: func(_ string, err error) { failed = append(failed, err) }},
			Looked: func([]dmctl.Snapshot, func(string) time.Duration) error { looked = true; return nil },
		}
		err := look(context.Background(), c, newWatcher(100), opt, func(e Event) error {
			if e.Kind == EventGrown {
				t.Errorf("%s: %s", name, e.Message)
			}
			return nil
		})
		if err != nil || !looked {
			t.Errorf("%s: the look ended: %v", name, err)
		}
		if want := name == "small"; (len(failed) == 1 && failed[0] != nil) != want || errors.Join(failed...) == nil == want {
			t.Errorf("%s: told of %v", name, failed)
		}
	}
}

// A monitor that is told to stop while a store grows reports no error.
func TestMonitorIsStoppedWhileAStoreGrows(t *testing.T) {
	m, c := growing(t, 64<<10)
	before := m.String()
	ctx, cancel := context.WithCancel(context.Background())
	m.BeforeCall = func(int) { cancel() }
	opt := Options{Threshold: 100, Growth: Growth{At: 80, Bytes: 4096, Failed: func(_ string, err error) { t.Errorf("told of %v", err) }}}
	if err := look(ctx, c, newWatcher(100), opt, func(e Event) error {
		if e.Kind == EventGrown {
			t.Error(e.Message)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if after := m.String(); after != before {
		t.Errorf("%s, before %s", after, before)
	}
}
