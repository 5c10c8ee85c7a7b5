package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/monitor"
)

// A service that is stopped has not failed. A monitor that a person interrupts
// was interrupted.
func TestMonitorEndsAsItIsTold(t *testing.T) {
	onMachine(t, dmtest.New())
	for signal, want := range map[syscall.Signal]int{syscall.SIGTERM: exitFine, syscall.SIGINT: exitInterrupted} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(signalled{signal})
		if _, stderr, code := commanded(ctx, "monitor"); code != want {
			t.Errorf("%v: exit code %d, want %d: %s", signal, code, want, stderr)
		}
	}
}

// The monitor continues if it cannot write its file, reports that once, and
// writes the file again when it can.
func TestMonitorSurvivesWhatCannotBeWritten(t *testing.T) {
	m := dmtest.New()
	onMachine(t, m)
	must(t, "create", "s", "--origin", "/dev/a", "--cow", "/dev/b", "--yes")
	dir := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(dir, "metrics.prom")
	ctx, cancel := context.WithCancelCause(context.Background())
	warned := &firstWord{said: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"dmsnapctl", "monitor", "--interval", "1ms", "--textfile", file},
			streams{in: &bytes.Buffer{}, out: io.Discard, err: warned})
	}()
	<-warned.said // a look without the directory
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for range 1000 {
		if text, _ = os.ReadFile(file); len(text) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel(signalled{syscall.SIGTERM})
	code := <-ended
	if !strings.Contains(string(text), `dmsnapctl_snapshot_state{name="s",origin="8:0",state="active"} 1`) {
		t.Errorf("the metrics are %q", text)
	}
	if strings.Contains(string(text), `dmsnapctl_monitor_errors_total{what="textfile"} 0`) {
		t.Errorf("what failed was not counted: %s", text)
	}
	if stderr := warned.text.String(); code != exitFine || strings.Count(stderr, file) != 1 {
		t.Errorf("exit code %d, want 0, and one warning in %q", code, stderr)
	}
}

// firstWord is a stream that tells when something comes. Its text may be read
// once the writer has ended.
type firstWord struct {
	text bytes.Buffer
	once sync.Once
	said chan struct{}
}

func (f *firstWord) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.said) })
	return f.text.Write(p)
}

func TestTroubles(t *testing.T) {
	var told []string
	trouble := &troubles{warn: func(err error) { told = append(told, err.Error()) }}
	full, pipe := errors.New("full"), &os.PathError{Op: "write", Path: "stdout", Err: syscall.EPIPE}
	for _, err := range []error{full, full, nil, full} {
		trouble.of(textfileTrouble, err)
	}
	trouble.of(hookTrouble, full)
	trouble.of(hookTrouble, full)
	if got := strings.Join(told, " "); got != "full full full full" {
		t.Errorf("told of %q: each trouble when it begins, and each command that failed", got)
	}
	if n := trouble.counted(textfileTrouble); n != 3 {
		t.Errorf("%d counted, want 3", n)
	}
	if err := trouble.unlessPipe(full); err != nil {
		t.Errorf("a full file system ends the monitor: %v", err)
	}
	if err := trouble.unlessPipe(pipe); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
}

func TestGrowthFlags(t *testing.T) {
	onMachine(t, dmtest.New())
	for _, tt := range []struct{ args, want string }{
		{"--grow-at 80", "go together"},
		{"--grow-by 1G", "go together"},
		{"--grow-at 0 --grow-by 1G", "more than 0"},
		{"--grow-at 101 --grow-by 1G", "from 0 to 100"},
		{"--grow-at 80 --grow-by 0", "more than 0"},
		{"--grow-at 80 --grow-by 0%", "percentage"},
		{"--grow-at 80 --grow-by 1001%", "percentage"},
		{"--grow-at 80 --grow-by NaN%", "percentage"},
		{"--grow-at 80 --grow-by 1X", "not a size"},
		{"--grow-at 80 --grow-by 9223372036854775808", "8 EiB"},
	} {
		_, stderr, code := commanded(context.Background(), append([]string{"monitor"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, %q; want %q", tt.args, code, stderr, tt.want)
		}
	}
}

// A clone's store grows before it is full. A store that could not grow is
// reported, counted, and tried again.
func TestMonitorGrows(t *testing.T) {
	for name, failure := range map[string]dmtest.Failure{"at once": "", "the second time": dmtest.Clean} {
		m := dmtest.New()
		m.Files["/img"] = &dmtest.File{Bytes: 1 << 20}
		onMachine(t, m)
		must(t, "clone", "s", "--base", "/img", "--store-dir", "/stores", "--store-size", "64K", "--yes")
		m.Find("s").Status = "80/100 16"
		m.Failures = map[int]dmtest.Failure{m.Calls + 1: failure}
		metrics := filepath.Join(t.TempDir(), "metrics.prom")
		ctx, cancel := context.WithCancelCause(context.Background())
		enough := m.Calls + 20 // more calls than two attempts make
		m.BeforeCall = func(n int) {
			if n == enough {
				cancel(signalled{syscall.SIGTERM})
			}
		}
		stdout, stderr, code := commanded(ctx, "monitor", "--interval", "1ms", "--grow-at", "80", "--grow-by", "10%", "--textfile", metrics)
		if code != exitFine {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
		if !strings.Contains(stdout, "the store of s grew from 51200 to") {
			t.Errorf("%s: %s", name, stdout)
		}
		text, err := os.ReadFile(metrics)
		failed := failure != ""
		counted := strings.Contains(string(text), `dmsnapctl_monitor_errors_total{what="grow"} 1`)
		if told := strings.Contains(stderr, "file too large"); err != nil || told != failed || counted != failed {
			t.Errorf("%s: %v, stderr %q, metrics %s", name, err, stderr, text)
		}
	}
}

// TestEventEnvironment: what a command of --exec finds, and what is empty where
// the kernel gives no figures.
func TestEventEnvironment(t *testing.T) {
	filled := dmctl.Snapshot{Name: "a b", State: "active", Origin: "/dev/dm-0", COW: "/dev/sdb", Allocated: 900, Total: 1000, UsedPercent: 90}
	for _, tt := range []struct {
		event monitor.Event
		want  []string
	}{
		{monitor.Event{Kind: monitor.EventThreshold, Snapshot: filled, Message: "it fills up", FullIn: 61500 * time.Millisecond}, []string{
			"EVENT=threshold", "NAME=a b", "STATE=active", "WAS=", "MESSAGE=it fills up", "ORIGIN=/dev/dm-0", "COW=/dev/sdb",
			"USED_PERCENT=90.0", "ALLOCATED_SECTORS=900", "TOTAL_SECTORS=1000", "FULL_IN_SECONDS=61",
		}},
		{monitor.Event{Kind: monitor.EventState, Snapshot: dmctl.Snapshot{Name: "s", State: "overflow"}, Was: "active"}, []string{
			"EVENT=state", "NAME=s", "STATE=overflow", "WAS=active", "MESSAGE=", "ORIGIN=", "COW=",
			"USED_PERCENT=", "ALLOCATED_SECTORS=", "TOTAL_SECTORS=", "FULL_IN_SECONDS=",
		}},
	} {
		var got []string
		for _, variable := range eventEnvironment(tt.event) {
			got = append(got, strings.TrimPrefix(variable, "DMSNAPCTL_"))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.event.Kind, diff)
		}
	}
}
