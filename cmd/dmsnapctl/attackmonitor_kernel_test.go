//go:build linux && kernel

package main

// A monitor for a long time, over many snapshots, while the clock is set.

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/soak"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const watchedSnapshots = 100

// watchedNodes makes the snapshots, of one device, and returns their nodes.
func watchedNodes(t *testing.T) (nodes []string) {
	t.Helper()
	const mib = 1 << 20
	disks := testDisks(t)
	for i := range watchedSnapshots {
		store := append(cow.NewHeader(8).AppendTo(nil), make([]byte, 8192-cow.HeaderSize)...)
		putAt(t, disks[1], store, int64(i)*mib)
		cowName, name := fmt.Sprintf("watched-cow%d", i), fmt.Sprintf("watched%d", i)
		t.Cleanup(func() { unmap(t, cowName) })
		node := mapped(t, cowName, devmapper.LinearTable{Length: mib, BackendDevice: disks[1], BackendOffset: uint64(i) * mib})
		t.Cleanup(func() { unmap(t, name) })
		nodes = append(nodes, mapped(t, name, devmapper.SnapshotTable{
			Length: 4 * mib, OriginDevice: disks[0], COWDevice: node, Persistent: true, ChunkSize: 4096,
		}))
	}
	return nodes
}

// watching is a monitor as a process.
type watching struct {
	t        *testing.T
	cmd      *exec.Cmd
	looks    *net.UnixConn // receives a message for each look
	textfile string
	stderr   string // a file
	done     chan struct{}

	mu   sync.Mutex
	said []string
}

func startWatching(t *testing.T) *watching {
	t.Helper()
	dir := t.TempDir()
	w := &watching{t: t, textfile: filepath.Join(dir, "metrics"), stderr: filepath.Join(dir, "stderr"), done: make(chan struct{})}
	socket := filepath.Join(dir, "notify")
	warnings, err := os.Create(w.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer warnings.Close() // the monitor has it
	if w.looks, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.looks.Close() })
	w.cmd = exec.Command(programPath(t), "monitor", "--threshold", "50", "--textfile", w.textfile)
	w.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	w.cmd.Stderr = warnings
	out, err := w.cmd.StdoutPipe()
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.cmd.Process.Kill() }) // it has ended, unless the test failed
	go func() {
		defer close(w.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.mu.Lock()
			w.said = append(w.said, lines.Text())
			w.mu.Unlock()
		}
	}()
	return w
}

// warnings is what the monitor has written to stderr.
func (w *watching) warnings() string {
	w.t.Helper()
	text, err := os.ReadFile(w.stderr)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// count returns how many lines contain a text.
func (w *watching) count(text string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.said {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// await waits for a number of looks, and returns how long they took.
func (w *watching) await(looks int) time.Duration {
	w.t.Helper()
	start := time.Now()
	for range looks {
		if err := w.looks.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.looks.Read(make([]byte, 1000)); err != nil {
			w.t.Fatalf("it does not look any more: %v; %s", err, w.warnings())
		}
	}
	return time.Since(start)
}

// lookedAt is when the monitor last looked, by its metrics.
func (w *watching) lookedAt() time.Time {
	w.t.Helper()
	text, err := os.ReadFile(w.textfile)
	if err != nil {
		w.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^dmsnapctl_monitor_timestamp_seconds (\S+)$`).FindSubmatch(text)
	if found == nil {
		w.t.Fatalf("no timestamp in %s", text)
	}
	seconds, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return time.Unix(int64(seconds), 0)
}

// holding is what a process holds.
type holding struct{ descriptors, threads, kib int }

func (w *watching) holds() (h holding) {
	w.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", w.cmd.Process.Pid)
	fds, err := os.ReadDir(proc + "fd")
	status, also := os.ReadFile(proc + "status")
	if err := errors.Join(err, also); err != nil {
		w.t.Fatal(err)
	}
	h.descriptors = len(fds)
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "Threads":
			_, err = fmt.Sscan(value, &h.threads)
		case "VmRSS":
			_, err = fmt.Sscan(value, &h.kib)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return h
}

// goroutines ends the monitor, and returns how many goroutines it had.
func (w *watching) goroutines() int {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		w.t.Fatal(err)
	}
	<-w.done
	_ = w.cmd.Wait() // by that signal
	return strings.Count("\n"+w.warnings(), "\ngoroutine ")
}

func setClock(t *testing.T, to time.Time) {
	t.Helper()
	at := unix.NsecToTimeval(to.UnixNano())
	if err := unix.Settimeofday(&at); err != nil {
		t.Fatal(err)
	}
}

// clockNow is the wall clock. Unlike time.Now, it has no monotonic part.
func clockNow() time.Time { return time.Now().Round(0) }

// In each of its minutes the clock is set four times. The monitor looks once a
// second all the same, reports each store that fills, and holds what it held
// before.
func TestAttackMonitor(t *testing.T) {
	const looks = 15 // for each setting of the clock
	minutes := soak.Rounds(t, "minutes of a monitor over 100 snapshots, the clock set", 10)
	nodes := watchedNodes(t)
	w := startWatching(t)
	w.await(2)
	if n := w.count("is there, active"); n != watchedSnapshots {
		t.Errorf("it sees %d snapshots", n)
	}
	start := time.Now()
	t.Cleanup(func() { setClock(t, start.Round(0).Add(time.Since(start))) })
	var early holding
	filled := 0
	for range minutes {
		for _, to := range []time.Time{
			clockNow().Add(time.Hour), clockNow().Add(-2 * time.Hour),
			time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC),
		} {
			setClock(t, to)
			set := time.Now()
			name := fmt.Sprintf("watched%d is ", filled)
			if filled < len(nodes) {
				putAt(t, nodes[filled], make([]byte, 640<<10), 0)
				filled++
			}
			took := w.await(looks)
			if took < looks*time.Second*2/3 {
				t.Errorf("the clock set to %v: %d looks in %v", to, looks, took)
			}
			if off := w.lookedAt().Sub(to.Add(time.Since(set))).Abs(); off > time.Minute {
				t.Errorf("the clock set to %v: the metrics' time is wrong by %v", to, off)
			}
			if w.count(name) != 2 { // there, and full
				t.Errorf("the clock set to %v: %q is said %d times", to, name, w.count(name))
			}
			if filled == 2 {
				early = w.holds()
			}
		}
	}
	late := w.holds()
	t.Logf("early %+v, late %+v", early, late)
	// A look under way holds one or two descriptors more.
	if late.descriptors > early.descriptors+2 || late.threads > early.threads+5 || late.kib > early.kib+8<<10 {
		t.Errorf("early %+v, late %+v", early, late)
	}
	if n := w.count("full"); n != filled {
		t.Errorf("%d stores were filled, %d reported", filled, n)
	}
	said := w.warnings()
	// The runtime has one for each thread, too, and some for each processor.
	if n := w.goroutines(); n == 0 || n > 16+4*runtime.NumCPU() {
		t.Errorf("%d goroutines: %s", n, w.warnings())
	}
	if said != "" {
		t.Errorf("it warns: %s", said)
	}
}
