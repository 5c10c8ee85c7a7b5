package monitor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

func at(seconds int) time.Time { return time.Unix(1000+int64(seconds), 0) }

func filled(name, uuid, state string, percent int) dmctl.Snapshot {
	return dmctl.Snapshot{Name: name, UUID: uuid, State: state, Allocated: cow.Sectors(percent * 10), Total: 1000, UsedPercent: float64(percent)}
}

func TestWatcher(t *testing.T) {
	looks := []struct {
		snapshots []dmctl.Snapshot
		want      []string
	}{
		{nil, nil},
		{[]dmctl.Snapshot{filled("a", "1", "active", 10)}, []string{"appeared a"}},
		{[]dmctl.Snapshot{filled("a", "1", "active", 79)}, nil},
		{[]dmctl.Snapshot{filled("a", "1", "active", 80)}, []string{"threshold a"}},
		{[]dmctl.Snapshot{filled("a", "1", "active", 79)}, nil}, // within the hysteresis
		{[]dmctl.Snapshot{filled("a", "1", "active", 81)}, nil},
		{[]dmctl.Snapshot{filled("a", "1", "active", 74)}, []string{"below a"}},
		{[]dmctl.Snapshot{filled("a", "1", "active", 90)}, []string{"threshold a"}},
		{[]dmctl.Snapshot{filled("a", "1", "overflow", 0)}, []string{"state a active overflow"}},
		{[]dmctl.Snapshot{filled("a", "1", "invalid", 0)}, []string{"state a overflow invalid"}},
		{[]dmctl.Snapshot{filled("a", "1", "invalid", 0)}, nil},
		{[]dmctl.Snapshot{filled("a", "2", "active", 1)}, []string{"replaced a"}}, // removed and made again between two looks
		{[]dmctl.Snapshot{filled("a", "2", "active", 99)}, []string{"threshold a"}},
		{nil, []string{"gone a"}},
		{[]dmctl.Snapshot{filled("a", "3", "active", 99)}, []string{"appeared a", "threshold a"}},
	}
	w := newWatcher(80)
	for i, look := range looks {
		var got []string
		for _, e := range w.observe(at(i), look.snapshots) {
			text := fmt.Sprintf("%s %s", e.Kind, e.Snapshot.Name)
			if e.Kind == EventState {
				text += " " + e.Was + " " + e.Snapshot.State
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(look.want, got); diff != "" {
			t.Errorf("look %d: %s", i, diff)
		}
	}
}

func TestForecast(t *testing.T) {
	w := newWatcher(100)
	full := func() time.Duration { return w.FullIn("a") }
	w.observe(at(0), []dmctl.Snapshot{filled("a", "1", "active", 10)})
	if d := full(); d != 0 {
		t.Errorf("after one look: %v", d)
	}
	w.observe(at(10), []dmctl.Snapshot{filled("a", "1", "active", 20)})
	if d := full(); d != 80*time.Second {
		t.Errorf("10%% in 10 s, 80%% left: %v", d)
	}
	// After one window the old rate no longer counts.
	for s := 11; s <= 200; s++ {
		w.observe(at(s), []dmctl.Snapshot{filled("a", "1", "active", 20)})
	}
	if d := full(); d != 0 {
		t.Errorf("after three minutes of nothing: %v", d)
	}
	if n := len(w.seen["a"].samples); n > 62 {
		t.Errorf("%d samples are kept", n)
	}
	w.observe(at(201), []dmctl.Snapshot{filled("a", "1", "active", 21)})
	if d := full(); d < time.Hour || d > 2*time.Hour {
		t.Errorf("1%% in a minute, 79%% left: %v", d)
	}
}

// A store that has overflowed no longer fills up.
func TestNoForecastWithoutFigures(t *testing.T) {
	for _, state := range []string{"overflow", "invalid", "merging"} {
		w := newWatcher(100)
		w.observe(at(0), []dmctl.Snapshot{filled("a", "1", "active", 10)})
		w.observe(at(10), []dmctl.Snapshot{filled("a", "1", "active", 20)})
		events := w.observe(at(11), []dmctl.Snapshot{filled("a", "1", state, 0)})
		if len(events) != 1 || events[0].FullIn != 0 || w.FullIn("a") != 0 {
			t.Errorf("%s: %+v", state, events)
		}
	}
}

// named is the environment of the commands here.
func named(e Event) []string { return []string{"EVENT=" + string(e.Kind), "NAME=" + e.Snapshot.Name} }

func TestHook(t *testing.T) {
	t.Setenv("OWN", "mine")
	var said strings.Builder
	h := Hook{Command: `echo "$OWN $EVENT $NAME"; echo trouble >&2`, Environment: named, Output: &said}
	e := Event{Kind: EventThreshold, Snapshot: dmctl.Snapshot{Name: "a b"}}
	if err := h.Run(context.Background(), e); err != nil || said.String() != "mine threshold a b\ntrouble\n" {
		t.Errorf("%q, %v", said.String(), err)
	}
	if err := (Hook{Command: "exit 3"}).Run(context.Background(), e); err == nil || !strings.Contains(err.Error(), "a b") {
		t.Errorf("a hook that failed: %v", err)
	}
}

func TestHooks(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	failed := 0
	h := NewHooks(context.Background(), Hook{Command: `echo "$NAME" >> ` + out + `; test "$NAME" != b`, Environment: named}, func(error) { failed++ })
	for _, name := range []string{"a", "b", "c"} {
		if err := h.Run(Event{Kind: EventAppeared, Snapshot: dmctl.Snapshot{Name: name}}); err != nil {
			t.Error(err)
		}
	}
	h.Close()
	if got, err := os.ReadFile(out); err != nil || string(got) != "a\nb\nc\n" || failed != 1 {
		t.Errorf("%q, %v, %d failed", got, err, failed)
	}
}

// A command that takes too long is ended with everything that it started.
func TestHookEndsWithItsChildren(t *testing.T) {
	out := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- Hook{Command: "sleep 1000 & echo $! > " + out + ".new; mv " + out + ".new " + out + "; wait"}.Run(ctx, Event{Kind: EventGone})
	}()
	var pid int
	for pid == 0 {
		text, _ := os.ReadFile(out)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("a command that was killed is called done")
	}
	for range 1000 {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(state), ") Z ") {
			return // gone, or waits for its parent to look
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the command's child %d still runs", pid)
}
