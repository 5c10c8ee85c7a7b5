//go:build linux && kernel

package dmctl

// A file system that is mounted on the origin, with a program writing to it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func mount(t *testing.T, dev, dir string, flags uintptr) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dev, dir, "ext4", flags, ""); err != nil {
		t.Fatalf("mount %s: %v", dev, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatalf("unmount %s: %v", dir, err)
	}
}

// fsyncer writes one file after the other and reports how many are durable.
type fsyncer struct {
	dir    string
	prefix string
	count  atomic.Int64
	stop   atomic.Bool
	done   chan error
}

func startFsyncer(dir, prefix string) *fsyncer {
	w := &fsyncer{dir: dir, prefix: prefix, done: make(chan error, 1)}
	go func() { w.done <- w.run() }()
	return w
}

func (w *fsyncer) run() error {
	parent, err := os.Open(w.dir)
	if err != nil {
		return err
	}
	defer parent.Close()
	for n := int64(0); !w.stop.Load(); n++ {
		f, err := os.Create(fileName(w.dir, w.prefix, n))
		if err != nil {
			return err
		}
		_, err = f.Write(fileContent(w.prefix, n))
		if err := errors.Join(err, f.Sync(), f.Close(), parent.Sync()); err != nil {
			return err
		}
		w.count.Store(n + 1)
	}
	return nil
}

func (w *fsyncer) end(t *testing.T) int64 {
	t.Helper()
	w.stop.Store(true)
	if err := <-w.done; err != nil {
		t.Errorf("the writer: %v", err)
	}
	return w.count.Load()
}

func fileName(dir, prefix string, n int64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%06d", prefix, n))
}

func fileContent(prefix string, n int64) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%s%06d\n", prefix, n)), 100)
}

func checkFiles(t *testing.T, where, dir, prefix string, count int64) {
	t.Helper()
	for n := range count {
		got, err := os.ReadFile(fileName(dir, prefix, n))
		if err != nil || !bytes.Equal(got, fileContent(prefix, n)) {
			t.Errorf("%s: file %d of %d: %d bytes, %v", where, n, count, len(got), err)
			return
		}
	}
}

func TestFileSystemOnOrigin(t *testing.T) {
	c, disks := scratch(t)
	ctx := context.Background()
	dir := t.TempDir()
	live, frozen := filepath.Join(dir, "live"), filepath.Join(dir, "frozen")
	vol := mapped(t, c, "vol", "0 262144 linear "+disks[0]+" 0")
	command(t, "mkfs.ext4", "-q", "-F", vol)
	mount(t, vol, live, 0)

	w := startFsyncer(live, "a")
	waitFor(t, func() bool { return w.count.Load() > 20 })
	before := w.count.Load()
	create(t, c, CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 8 << 9, Overflow: true})
	waitFor(t, func() bool { return w.count.Load() > before+20 })
	if sb := content(t, "/dev/mapper/s")[1024:2048]; sb[0x60]&4 != 0 {
		t.Error("the file system on the snapshot needs recovery: it was not frozen") // EXT4_FEATURE_INCOMPAT_RECOVER
	}
	mount(t, "/dev/mapper/s", frozen, unix.MS_RDONLY)
	checkFiles(t, "snapshot", frozen, "a", before)
	unmount(t, frozen)
	remove(t, c, "s")
	count := w.end(t)
	unmount(t, live)
	command(t, "fsck.ext4", "-f", "-n", vol)
	mount(t, vol, live, 0)
	checkFiles(t, "origin after remove", live, "a", count)

	create(t, c, CreateRequest{Name: "m", Origin: vol, COW: disks[2], ChunkBytes: 8 << 9, Overflow: true})
	lost := startFsyncer(live, "lost")
	waitFor(t, func() bool { return lost.count.Load() > 20 })
	lost.end(t)
	if err := c.Merge(ctx, MergeRequest{Name: "m"}, nil); !errors.Is(err, ErrForce) {
		t.Errorf("merge below a mounted file system: %v", err)
	}
	unmount(t, live)
	p, err := c.PlanMerge(ctx, MergeRequest{Name: "m"})
	run(t, c, p, err)
	mount(t, vol, live, 0)
	w = startFsyncer(live, "b")
	if err := c.FinishMerge(ctx, p, nil); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return w.count.Load() > 20 })
	later := w.end(t)
	unmount(t, live)
	command(t, "fsck.ext4", "-f", "-n", vol)
	mount(t, vol, live, 0)
	checkFiles(t, "origin after merge, from before the snapshot", live, "a", count)
	checkFiles(t, "origin after merge, written since", live, "b", later)
	if _, err := os.Stat(fileName(live, "lost", 0)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file from between snapshot and merge: %v", err)
	}
	unmount(t, live)
}

// waitFor waits for the writer; the test's own time limit bounds it.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for !done() {
		unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
	}
}

// The program itself, its temporary files and the swap space are on the origin
// that it suspends, and little memory is left.
func TestOnItsOwnOrigin(t *testing.T) {
	c, disks := scratch(t)
	root := filepath.Join(t.TempDir(), "root")
	vol := mapped(t, c, "vol", "0 262144 linear "+disks[0]+" 0")
	command(t, "mkfs.ext4", "-q", "-F", vol)
	mount(t, vol, root, 0)
	program := filepath.Join(root, "program")
	copyFile(t, "/proc/self/exe", program)
	swap := filepath.Join(root, "swap")
	if err := os.WriteFile(swap, make([]byte, 32*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "mkswap", swap)
	command(t, "swapon", swap)
	t.Cleanup(func() { command(t, "swapoff", swap) })
	w := startFsyncer(root, "a")

	onVol := CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 8 << 9, Overflow: true, Force: true}
	onVol2 := CreateRequest{Name: "t", Origin: vol, COW: disks[2], ChunkBytes: 8 << 9, Overflow: true, Force: true}
	fromVol := func(r request, dieAt int) *exec.Cmd {
		if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
			t.Fatal(err)
		}
		cmd := child(t, r, dieAt)
		cmd.Path = program
		cmd.Env = append(cmd.Env, "TMPDIR="+root)
		return cmd
	}
	for round := range 2 {
		for _, r := range []request{{Create: &onVol}, {Create: &onVol2}, {Remove: &RemoveRequest{Name: "t"}}, {Remove: &RemoveRequest{Name: "s"}}} {
			if out, err := fromVol(r, dieNever).Output(); err != nil {
				t.Fatalf("round %d: %v: %s", round, err, out)
			}
		}
	}
	create(t, c, onVol)
	p, err := c.PlanCreate(context.Background(), onVol2)
	c.Release()
	if err != nil {
		t.Fatal(err)
	}
	first, last, _ := p.Pause()
	for at := first + 1; at <= last; at++ { // before it, the origin is suspended
		held := timeHeld(t, c, mustName(t, "vol"))
		if !wasKilled(t, fromVol(request{Create: &onVol2}, at+1)) {
			t.Fatal("it lived")
		}
		t.Logf("killed before step %d: the origin was suspended for %v", at+1, held())
		noneSuspended(t, c, fmt.Sprintf("killed before step %d", at+1))
		now := w.count.Load()
		waitFor(t, func() bool { return w.count.Load() > now+3 })
		if got := names(t, c); strings.Contains(got, devices.NewSuffix) {
			t.Errorf("killed before step %d, nobody recovered: %s", at+1, got)
		}
	}
	remove(t, c, "s")
	count := w.end(t)
	checkFiles(t, "origin", root, "a", count)
	if got := tableOf(t, c, "vol"); !strings.Contains(got, "linear") {
		t.Errorf("the origin's table became %s", got)
	}
}

// timeHeld measures how long a device is suspended until stop is called; 0
// means that it was too short to notice.
func timeHeld(t *testing.T, c *Controller, name devices.Name) (stop func() time.Duration) {
	t.Helper()
	quit, held := make(chan bool), make(chan time.Duration)
	go func() {
		var since time.Time
		var most time.Duration
		for {
			select {
			case <-quit:
				held <- most
				return
			default:
			}
			info, err := c.e.Info(name)
			switch {
			case err != nil:
				t.Error(err)
			case !info.Suspended():
				since = time.Time{}
			case since.IsZero():
				since = time.Now()
			default:
				most = max(most, time.Since(since))
			}
			unix.Nanosleep(&unix.Timespec{Nsec: 2e5}, nil)
		}
	}()
	return func() time.Duration { close(quit); return <-held }
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		t.Fatal(err)
	}
}
