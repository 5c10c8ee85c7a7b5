//go:build linux && kernel

package dmctl

// The guardian and the locked memory, on a real kernel.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// A plan that hangs while it holds the origin's I/O: the guardian releases the
// I/O, and the plan is undone.
func TestHangingInThePause(t *testing.T) {
	c, disks := scratch(t)
	vol := mapped(t, c, "vol", "0 32768 linear "+disks[0]+" 0")
	create(t, c, CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 128 << 9})
	before := state(t, c)
	machineOf(c).PauseLimit = 500 * time.Millisecond
	ctx := context.Background()
	p, err := c.PlanCreate(ctx, CreateRequest{Name: "t", Origin: vol, COW: disks[2], ChunkBytes: 8 << 9})
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := p.Pause()
	w := startWriter(t, vol, mib)
	defer func() { c.e.BeforeStep = nil }()
	c.e.BeforeStep = func(_ *Plan, n int) {
		if n != first+1 {
			return
		}
		if info, err := c.e.Info(mustName(t, "vol")); err != nil || !info.Suspended() {
			t.Errorf("within the pause: flags %#x, %v", info.Flags, err)
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if info, err := c.e.Info(mustName(t, "vol")); err == nil && !info.Suspended() {
				return
			}
			if time.Now().After(end) {
				t.Error("nobody resumed the origin")
				return
			}
		}
	}
	if err := c.Run(ctx, p); !errors.Is(err, ErrPauseTooLong) {
		t.Errorf("error %v", err)
	}
	w.end(t)
	if got := state(t, c); got != before {
		t.Errorf("before: %s after: %s", before, got)
	}
}

// A run that is stopped while it holds the origin's I/O: the guardian releases
// the I/O within seconds, long before the limit of a pause.
func TestStoppedInThePause(t *testing.T) {
	c, disks := scratch(t)
	vol := mapped(t, c, "vol", "0 32768 linear "+disks[0]+" 0")
	create(t, c, CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 128 << 9})
	before := state(t, c)
	p, err := c.PlanCreate(context.Background(), CreateRequest{Name: "t", Origin: vol, COW: disks[2], ChunkBytes: 8 << 9})
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := p.Pause()
	seen := filepath.Join(t.TempDir(), "seen")
	script := fmt.Sprintf(`dmsetup info -c --noheadings -o suspended vol > %s
		for i in $(seq 100); do
			sleep 0.2
			case $(dmsetup info -c --noheadings -o suspended vol) in *Active*) echo resumed >> %[1]s; break ;; esac
		done
		kill -CONT %d`, seen, os.Getpid())
	defer func() { c.e.BeforeStep = nil }()
	c.e.BeforeStep = func(_ *Plan, n int) {
		if n != first+1 {
			return
		}
		watch := exec.Command("/bin/sh", "-c", script)
		if err := watch.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // for the first look of the script
		if err := unix.Kill(os.Getpid(), unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // the other threads stop, too
		if err := watch.Wait(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Run(context.Background(), p); !errors.Is(err, ErrPauseTooLong) {
		t.Errorf("error %v", err)
	}
	text, err := os.ReadFile(seen)
	if err != nil || !strings.HasPrefix(string(text), "Suspended") || !strings.Contains(string(text), "resumed") {
		t.Errorf("what was seen of the origin meanwhile: %q, %v", text, err)
	}
	if got := state(t, c); got != before {
		t.Errorf("before: %s after: %s", before, got)
	}
}

// Without a guardian there is no pause.
func TestNoGuardian(t *testing.T) {
	c, disks := scratch(t)
	vol := mapped(t, c, "vol", "0 32768 linear "+disks[0]+" 0")
	create(t, c, CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 128 << 9})
	before := state(t, c)
	machineOf(c).noGuard = errors.New("no process can be started")
	err := c.Create(context.Background(), CreateRequest{Name: "t", Origin: vol, COW: disks[2], ChunkBytes: 8 << 9})
	if !errors.Is(err, machineOf(c).noGuard) {
		t.Errorf("error %v", err)
	}
	if got := state(t, c); got != before {
		t.Errorf("before: %s after: %s", before, got)
	}
}

// useSwap uses a disk as swap space until the test ends.
func useSwap(t *testing.T, disk string) {
	t.Helper()
	command(t, "mkswap", disk)
	command(t, "swapon", disk)
	t.Cleanup(func() { command(t, "swapoff", disk) })
}

// inKiB reads a line of a file in /proc/self.
func inKiB(t *testing.T, file, key string) (n int) {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc/self", file))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := bytes.Cut(status, []byte("\n"+key+":"))
	if _, err := fmt.Sscan(string(rest), &n); !ok || err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return n
}

// swappedOut is this process's memory in swap space, in KiB. VmSwap of its status
// may lag by 64 pages a thread (mm/memory.c: TASK_RSS_EVENTS_THRESH).
func swappedOut(t *testing.T) int {
	t.Helper()
	return inKiB(t, "smaps_rollup", "Swap")
}

// Memory that was swapped out is in memory before anything is suspended, and
// stays there.
func TestSwappedOutMemoryIsReadIn(t *testing.T) {
	c, disks := scratch(t)
	useSwap(t, disks[3])
	ballast := bytes.Repeat([]byte("dmsnapctl"), mib)
	out := func() {
		const pageOut = 21 // MADV_PAGEOUT
		start := uintptr(unsafe.Pointer(&ballast[0]))&^4095 + 4096
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, start, uintptr(len(ballast)-8192), pageOut); errno != 0 && errno != unix.EINVAL {
			t.Fatal(errno)
		}
	}
	out()
	if swapped := swappedOut(t); swapped < 4096 {
		t.Fatalf("only %d KiB could be swapped out", swapped)
	}
	vol := mapped(t, c, "vol", "0 32768 linear "+disks[0]+" 0")
	create(t, c, CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 128 << 9})
	p, err := c.PlanCreate(context.Background(), CreateRequest{Name: "t", Origin: vol, COW: disks[2], ChunkBytes: 8 << 9})
	if err != nil {
		t.Fatal(err)
	}
	out()
	seen := 0
	first, last, _ := p.Pause()
	defer func() { c.e.BeforeStep = nil }()
	c.e.BeforeStep = func(_ *Plan, n int) {
		if n < first || n > last {
			return
		}
		seen++
		out() // locked memory must stay in memory
		if swapped := swappedOut(t); swapped > 0 {
			t.Errorf("%d KiB are swapped out before step %d", swapped, n)
		}
		fds, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if path, _ := os.Readlink(fd); strings.HasPrefix(path, "/proc/") && !strings.HasSuffix(path, "/fd") {
				t.Errorf("%s is open before step %d", path, n)
			}
		}
	}
	run(t, c, p, nil)
	if seen != 3 {
		t.Errorf("%d steps were within the pause", seen)
	}
	if locked := inKiB(t, "status", "VmLck"); locked > 0 {
		t.Errorf("after it %d KiB stay locked", locked)
	}
	if !bytes.Equal(ballast[:9], []byte("dmsnapctl")) {
		t.Error("memory came back wrong")
	}
}

// A call that was prepared once can run any number of times.
func TestPreparedCalls(t *testing.T) {
	c, _ := scratch(t)
	mapped(t, c, "vol", "0 8 zero")
	name := mustName(t, "vol")
	info, err := c.e.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	k := machineOf(c)
	look, free := k.PrepareInfo(info.Dev), k.PrepareResume(info.Dev, devices.UdevPrimary)
	for range 2 {
		if err := c.e.Suspend(name, 0); err != nil {
			t.Fatal(err)
		}
		for _, want := range []bool{true, false} {
			if flags, err := look.Run(); err != nil || flags&devices.FlagSuspend != 0 != want {
				t.Errorf("flags %#x, %v; suspended: %v", flags, err, want)
			}
			if allocs := testing.AllocsPerRun(10, func() { _, _ = look.Run() }); allocs > 0 {
				t.Errorf("a call allocates %v times", allocs)
			}
			if _, err := free.Run(); err != nil {
				t.Error(err)
			}
		}
	}
}
