package wire

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lockFileWord makes this program wait in the queue on the file that it names.
const lockFileWord = "DMSNAPCTL_TEST_LOCK"

func TestMain(m *testing.M) {
	if path := os.Getenv(lockFileWord); path != "" {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			os.Exit(1)
		}
		q := &queue{f: f}
		if got, err := q.await(context.Background()); !got || err != nil {
			os.Exit(1)
		}
		q.advance()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newQueues returns places in one queue.
func newQueues(t *testing.T, n int) (path string, out []*queue) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range n {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		out = append(out, &queue{f: f})
	}
	return path, out
}

func within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func gets(t *testing.T, who string, q *queue) {
	t.Helper()
	if got, err := q.await(within(20 * time.Second)); !got || err != nil {
		t.Fatalf("%s does not get the lock: %v", who, err)
	}
}

func getsNone(t *testing.T, who string, q *queue) {
	t.Helper()
	if got, err := q.await(within(20 * time.Millisecond)); got || err != nil {
		t.Fatalf("%s has the lock: %v", who, err)
	}
}

// All want the lock again right after they unlock it: each gets its share.
func TestQueueIsFair(t *testing.T) {
	const rounds = 400
	_, qs := newQueues(t, 8)
	turns := make([]int, len(qs))
	var done atomic.Int64
	var all sync.WaitGroup
	for i, q := range qs {
		all.Go(func() {
			for done.Load() < rounds {
				if got, err := q.await(within(20 * time.Second)); !got || err != nil {
					t.Errorf("no lock after 20 s: %v", err)
					return
				}
				q.advance()
				turns[i]++
				done.Add(1)
				time.Sleep(time.Millisecond)
				q.unlock()
			}
		})
	}
	all.Wait()
	least, most := slices.Min(turns), slices.Max(turns)
	if share := rounds / len(qs); least < share/2 || most > 2*share {
		t.Errorf("turns %v, want about %d each", turns, share)
	}
}

// Whoever stands at the gate is next: a newcomer that finds the lock free does not
// take it. With nobody there the newcomer gets it, and leaves the gate open for the
// next.
func TestNewcomersWaitAtTheGate(t *testing.T) {
	_, qs := newQueues(t, 3)
	if err := qs[0].gate(unix.F_OFD_SETLK, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	if got, err := qs[1].takeFree(); got || err != nil {
		t.Errorf("a newcomer takes the lock from the one at the gate: %v, %v", got, err)
	}
	if err := qs[0].gate(unix.F_OFD_SETLK, unix.F_UNLCK); err != nil {
		t.Fatal(err)
	}
	if got, err := qs[1].takeFree(); !got || err != nil {
		t.Errorf("nobody is at the gate: %v, %v", got, err)
	}
	if !qs[2].gateIsFree(t) {
		t.Error("the one that has the lock still stands at the gate")
	}
}

// A caller that gives up blocks nobody, and may come again.
func TestQueueIsLeft(t *testing.T) {
	_, qs := newQueues(t, 3)
	for range 50 {
		gets(t, "the first", qs[0])
		getsNone(t, "the second", qs[1])
		getsNone(t, "the third", qs[2])
		qs[1].unlock() // gives up
		getsNone(t, "the third", qs[2])
		qs[0].unlock()
		gets(t, "the third", qs[2])
		getsNone(t, "the second, again,", qs[1])
		qs[2].unlock()
		gets(t, "the second", qs[1])
		qs[1].unlock()
	}
}

// A caller whose file is closed while it waits does not keep the lock.
func TestQueueIsClosed(t *testing.T) {
	_, qs := newQueues(t, 3)
	gets(t, "the first", qs[0])
	getsNone(t, "the second", qs[1])
	if err := qs[1].f.Close(); err != nil {
		t.Fatal(err)
	}
	qs[0].unlock()
	gets(t, "the third", qs[2])
}

// The first process in the queue is stopped, or dies: the others continue.
func TestQueueOfTheStoppedAndTheDead(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		path, qs := newQueues(t, 2)
		gets(t, "the first", qs[0])
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), lockFileWord+"="+path)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		for qs[1].gateIsFree(t) {
			time.Sleep(time.Millisecond)
		}
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		getsNone(t, "the second", qs[1])
		qs[0].advance()
		qs[0].unlock()
		begin, got := time.Now(), false
		for !got && time.Since(begin) < 20*time.Second {
			got, _ = qs[1].await(within(100 * time.Millisecond))
		}
		if !got {
			t.Errorf("%v of the one in front: the other waits for ever", s)
		}
		qs[1].unlock()
		if s == syscall.SIGSTOP {
			if err := p.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(); err != nil {
				t.Errorf("the stopped one, when it went on: %v", err)
			}
			continue
		}
		_ = p.Wait() // it was killed
	}
}

func (q *queue) gateIsFree(t *testing.T) bool {
	t.Helper()
	if q.gate(unix.F_OFD_SETLK, unix.F_WRLCK) != nil {
		return false
	}
	if err := q.gate(unix.F_OFD_SETLK, unix.F_UNLCK); err != nil {
		t.Fatal(err)
	}
	return true
}
