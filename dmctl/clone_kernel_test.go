//go:build linux && kernel

package dmctl

// Clones on a real kernel: only the kernel shows what loop devices do when
// their last user goes, even if that is a process that died.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

const imageBytes = 8 * mib

// cloneRoom is a directory with an image of noise in it.
func cloneRoom(t *testing.T) (image, dir string) {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		loadModule(t, "drivers/block", "loop")
	}
	dir = t.TempDir()
	image = filepath.Join(dir, "base.img")
	if err := os.WriteFile(image, noise(imageBytes, 9), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := attachedBelow(t, dir); len(left) > 0 && !t.Failed() {
			t.Errorf("loop devices are left on %v", left)
		}
	})
	return image, dir
}

// attachedBelow returns the files in a directory that have loop devices.
func attachedBelow(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		text, err := os.ReadFile(f)
		if path := strings.TrimSpace(string(text)); err == nil && strings.HasPrefix(path, dir) {
			out = append(out, filepath.Base(path))
		}
	}
	slices.Sort(out)
	return out
}

func filesIn(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// settled waits for loop devices to be on these files and on no others. One that
// udev scans goes when that is done.
func settled(t testing.TB, dir, when string, want ...string) {
	t.Helper()
	settle(t)
	var got []string
	for range 100 {
		if got = attachedBelow(t, dir); slices.Equal(got, want) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s: loop devices on %v, want %v", when, got, want)
}

func reads(t testing.TB, name string, off int64, want []byte) {
	t.Helper()
	f, err := blockdev.Open("/dev/mapper/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s at %d reads other bytes than it should (%v)", name, off, err)
	}
}

// A clone's life: written to, removed, activated, reset, deleted.
func TestCloneKeepsWhatIsWritten(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(c.Clone(ctx, CloneRequest{Names: []string{"s", "t"}, Base: image, StoreDir: dir}))
	do(c.Clone(ctx, CloneRequest{Names: []string{"u"}, Base: image, StoreDir: dir, Transient: true}))
	base, mine := noise(imageBytes, 9), noise(64<<10, 5)
	reads(t, "s", 0, base)
	fill(t, "/dev/mapper/s", mib, 64<<10, 5)
	fill(t, "/dev/mapper/u", mib, 64<<10, 6)
	reads(t, "t", 0, base)
	reads(t, "s", mib, mine)
	do(c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s", "u"}}))
	settled(t, dir, "removed", "base.img", "t.cow")
	do(c.ActivateClone(ctx, ActivateCloneRequest{Name: "s", Base: image, Store: filepath.Join(dir, "s.cow"), Overflow: true}))
	reads(t, "s", mib, mine)
	reads(t, "s", 0, base[:mib])
	do(c.Reset(ctx, ResetRequest{Names: []string{"s"}}))
	reads(t, "s", 0, base)
	settled(t, dir, "reset", "base.img", "s.cow", "t.cow")
	do(c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s", "t"}, DeleteStores: true}))
	settled(t, dir, "removed")
	if got := filesIn(t, dir); !slices.Equal(got, []string{"base.img"}) {
		t.Errorf("files are left: %v", got)
	}
}

// A clone that is mounted or open stays as it is, and its user is named.
func TestCloneInUseStays(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	command(t, "mkfs.ext4", "-q", "-F", image)
	if err := c.Clone(ctx, CloneRequest{Names: []string{"s", "t"}, Base: image, StoreDir: dir}); err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	mount(t, "/dev/mapper/s", at, 0)
	for what, err := range map[string]error{
		"reset":  c.Reset(ctx, ResetRequest{Names: []string{"s", "t"}}),
		"remove": c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s", "t"}, DeleteStores: true}),
	} {
		var parts *PartErrors
		if !errors.As(err, &parts) || !errors.Is(err, ErrBusy) || parts.Failed[0].Name != "s" || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v", what, err)
		}
	}
	unmount(t, at)
	if _, err := c.e.Info(mustName(t, "s")); err != nil {
		t.Error(err)
	}
	_ = c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"t"}, DeleteStores: true})
	if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s"}, DeleteStores: true}); err != nil {
		t.Error(err)
	}
	settled(t, dir, "removed")
}

// SIGKILL before every step: after recover there is only what was there
// before, or what was requested.
func TestClonesKilledAtEveryStep(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	store := filepath.Join(dir, "s.cow")
	request1 := CloneRequest{Names: []string{"s"}, Base: image, StoreDir: dir}
	there, gone := "base.img,s.cow", "base.img"
	for _, tt := range []struct {
		name   string
		before bool // the clone is there
		do     request
		after  string
	}{
		{"clone", false, request{Clone: &request1}, there},
		{"reset", true, request{Reset: &ResetRequest{Names: []string{"s"}}}, there},
		{"remove", true, request{RemoveClones: &RemoveClonesRequest{Names: []string{"s"}, DeleteStores: true}}, gone},
	} {
		for step := 1; ; step++ {
			if tt.before {
				if err := c.Clone(ctx, request1); err != nil {
					t.Fatal(err)
				}
				fill(t, "/dev/mapper/s", 0, 4096, 1)
			}
			c.Release()
			killed := wasKilled(t, child(t, tt.do, step))
			when := fmt.Sprintf("%s, killed before step %d", tt.name, step)
			if err := c.Recover(ctx); err != nil {
				t.Errorf("%s: recover: %v", when, err)
			}
			p, err := c.PlanRecover(ctx)
			if err != nil || len(p.Steps()) > 0 {
				t.Errorf("%s: a second recover has something to do: %v %v", when, p, err)
			}
			c.Release()
			files := strings.Join(filesIn(t, dir), ",")
			_, missing := c.e.Info(mustName(t, "s"))
			switch {
			case devices.IsGone(missing) && files == gone: // undone, or done
				settled(t, dir, when)
			case devices.IsGone(missing) && tt.name == "remove" && files == there: // removed; its store was not deleted
				t.Errorf("%s: the store is left", when)
			case missing == nil && files == there:
				settled(t, dir, when, "base.img", "s.cow")
				if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s"}, DeleteStores: true}); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
			default:
				t.Fatalf("%s: %v, files %s, loop devices on %v", when, missing, files, attachedBelow(t, dir))
			}
			_ = os.Remove(store)
			if !killed {
				break
			}
		}
	}
}

// processesAtOnce is how many programs clone at the same time.
const processesAtOnce = 20

// Many goroutines of one process, and many processes.
func TestManyCloneAtOnce(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	const routines, rounds = 16, 2
	var wait sync.WaitGroup
	for i := range routines {
		wait.Go(func() {
			for round := range rounds {
				name := fmt.Sprintf("g%d-%d", i, round)
				if err := c.Clone(ctx, CloneRequest{Names: []string{name}, Base: image, StoreDir: dir}); err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				fill(t, "/dev/mapper/"+name, 0, 4096, uint64(i))
				reads(t, name, 0, noise(4096, uint64(i)))
				if err := c.Reset(ctx, ResetRequest{Names: []string{name}}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{name}, DeleteStores: true}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wait.Wait()
	settled(t, dir, "16 goroutines")
	var processes []*exec.Cmd
	want := []string{"base.img"}
	for i := range processesAtOnce {
		name := fmt.Sprintf("p%02d", i)
		want = append(want, name+".cow")
		p := child(t, request{Clone: &CloneRequest{Names: []string{name}, Base: image, StoreDir: dir}}, dieNever)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
	settled(t, dir, "processes", want...)
	all, err := c.Snapshots(ctx)
	if err != nil || len(all) != processesAtOnce {
		t.Fatalf("%d clones, %v", len(all), err)
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		if s.Kind != KindClone || s.Base != image || s.Store != filepath.Join(dir, s.Name+".cow") {
			t.Errorf("%+v", s)
		}
	}
	if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: names, DeleteStores: true}); err != nil {
		t.Error(err)
	}
}

// The file system of the stores is full: the clone that needs room gets I/O
// errors, the others continue, and the base does not change.
func TestStoresWithoutRoom(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	small := filepath.Join(dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	mountType(t, "tmpfs", small, "size=1m")
	if err := c.Clone(ctx, CloneRequest{Names: []string{"s"}, Base: image, StoreDir: small}); err != nil {
		t.Fatal(err)
	}
	if err := c.Clone(ctx, CloneRequest{Names: []string{"t"}, Base: image, StoreDir: dir}); err != nil {
		t.Fatal(err)
	}
	f, err := blockdev.OpenWriter("/dev/mapper/s")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(noise(4*mib, 3), 0)
	if err := errors.Join(err, f.Flush()); err == nil {
		t.Error("4 MiB were written where 1 MiB fits")
	}
	_ = f.Close()
	fill(t, "/dev/mapper/t", 0, mib, 4)
	reads(t, "t", 0, noise(mib, 4))
	if got, err := os.ReadFile(image); err != nil || !bytes.Equal(got, noise(imageBytes, 9)) {
		t.Errorf("the base has changed (%v)", err)
	}
	if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s", "t"}, DeleteStores: true}); err != nil {
		t.Error(err)
	}
	settled(t, dir, "removed")
	unmount(t, small)
}

// A base that is replaced has separate clones. One that is truncated is
// refused while clones of its former content exist.
func TestBaseReplacedAndTruncated(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	clone := func(name string) error {
		return c.Clone(ctx, CloneRequest{Names: []string{name}, Base: image, StoreDir: dir})
	}
	if err := clone("s"); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, noise(imageBytes, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, image); err != nil {
		t.Fatal(err)
	}
	if err := clone("t"); err != nil {
		t.Fatal(err)
	}
	reads(t, "s", 0, noise(imageBytes, 9))
	reads(t, "t", 0, noise(imageBytes, 10))
	if err := os.Truncate(image, mib); err != nil {
		t.Fatal(err)
	}
	if err := clone("u"); !errors.Is(err, ErrRefused) {
		t.Errorf("a base that was truncated under its clones: %v", err)
	}
	if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s", "t"}, DeleteStores: true}); err != nil {
		t.Error(err)
	}
}
