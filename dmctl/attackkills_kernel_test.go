//go:build linux && kernel

package dmctl

// SIGKILL at random times, also within a kernel call that swaps tables under a
// writer: what was written is there, and recover leaves nothing behind.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/soak"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// modelWriter writes at random places of a device, and knows what must be there.
type modelWriter struct {
	model
	stop   atomic.Bool
	done   chan error
	writes int
}

func startModel(t *testing.T, path string, want []byte, seed uint64) *modelWriter {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &modelWriter{model: model{path, want}, done: make(chan error, 1)}
	go func() {
		r := rand.New(rand.NewPCG(seed, 3))
		buf := blockdev.AlignedBuffer(4096)
		for !w.stop.Load() {
			w.writes++
			for i := range buf {
				buf[i] = byte(r.Uint32())
			}
			off := r.Int64N(int64(len(want))/4096) * 4096
			if _, err := f.WriteAt(buf, off); err != nil {
				w.done <- err
				return
			}
			copy(w.want[off:], buf)
		}
		w.done <- f.Close()
	}()
	return w
}

func (w *modelWriter) end(t *testing.T, when string) {
	t.Helper()
	w.stop.Store(true)
	if err := <-w.done; err != nil {
		t.Errorf("%s: the writer: %v", when, err)
	}
	if w.writes == 0 {
		t.Errorf("%s: nothing was written meanwhile", when)
	}
	same(t, when+": "+w.path, content(t, w.path), w.want)
}

// killable are the scenarios with the origin vol, which always exists.
func killable(disks []string) (out []death) {
	for _, d := range deathScenarios(disks) {
		if strings.HasSuffix(d.name, "mapped") || d.name == "remove one of two" || d.name == "grow" {
			out = append(out, d)
		}
	}
	return out
}

func TestAttackKills(t *testing.T) {
	c, disks := scratch(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	rounds := soak.Rounds(t, "SIGKILL at a random time", 300)
	scenarios := killable(disks)
	if len(scenarios) < 5 {
		t.Fatalf("only %d scenarios", len(scenarios))
	}
	took := map[string]time.Duration{}
	killed, late := 0, 0
	for i := range rounds {
		d := scenarios[i%len(scenarios)]
		when := fmt.Sprintf("round %d, %s", i, d.name)
		if took[d.name] == 0 {
			took[d.name] = d.time(t, c, disks)
		}
		if d.killAfter(t, c, disks, time.Duration(r.Int64N(int64(took[d.name]))), i%2 == 1, seed+uint64(i), when) {
			killed++
		} else {
			late++
		}
	}
	t.Logf("%d were killed, %d had ended", killed, late)
	if killed == 0 {
		t.Error("none was killed")
	}
}

// time returns how long the whole operation takes under I/O.
func (d death) time(t *testing.T, c *Controller, disks []string) time.Duration {
	t.Helper()
	d.blank(t, c, disks)
	w := d.startIO(t, 1)
	start := time.Now()
	if wasKilled(t, child(t, d.do, dieNever)) {
		t.Fatal("it died")
	}
	took := time.Since(start)
	w.end(t, d.name)
	return took
}

// blank prepares the scenario on blank COW devices: on others it would be
// refused, and nothing would be tested.
func (d death) blank(t *testing.T, c *Controller, disks []string) {
	t.Helper()
	removeAll(t, c)
	blank(t, c, disks[1], disks[2])
	d.prepare(t, c, disks)
}

// startIO writes to the origin. While a merge restores the origin's former
// content, the right content at a given moment is unknown, so it writes before
// and reads meanwhile.
func (d death) startIO(t *testing.T, seed uint64) ioMeanwhile {
	t.Helper()
	const vol = "/dev/mapper/vol"
	if d.do.Merge == nil {
		return startModel(t, vol, content(t, vol), seed)
	}
	old := content(t, vol)
	fill(t, vol, 0, mib/2, seed)
	return mergeIO(old)
}

// ioMeanwhile ends after recovery: then the content of the origin must be
// right.
type ioMeanwhile interface {
	end(t *testing.T, when string)
}

// mergeIO is the content that a merge must restore on the origin.
type mergeIO []byte

func (m mergeIO) end(t *testing.T, when string) {
	t.Helper()
	c := openTest(t)
	defer c.Close()
	all, err := c.Snapshots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(all, func(s Snapshot) bool { return s.Name == "s" }) {
		if err := c.Merge(context.Background(), MergeRequest{Name: "s", OriginUnchanged: true}, nil); err != nil {
			t.Errorf("%s: merging what was not merged: %v", when, err)
		}
	}
	same(t, when+": the origin after the merge", content(t, "/dev/mapper/vol"), m)
}

// killAfter runs one round. With both, the guardian is killed too, and an
// origin may stay suspended until recover.
func (d death) killAfter(t *testing.T, c *Controller, disks []string, after time.Duration, both bool, seed uint64, when string) (killed bool) {
	t.Helper()
	d.blank(t, c, disks)
	io := d.startIO(t, seed)
	cmd := child(t, d.do, dieNever)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if both {
		for _, pid := range guardiansOf(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	killed = cmd.Wait() != nil
	if !both {
		noneSuspended(t, c, when)
	}
	ctx := context.Background()
	if err := c.Recover(ctx); err != nil {
		t.Errorf("%s: recover: %v", when, err)
	}
	noneSuspended(t, c, when+", recovered")
	steps := toRecover(t, c)
	if d.do.Merge != nil && slices.Equal(steps, []string{"put things in order after merging s"}) {
		// The kernel was still merging when recover looked, and has ended since.
		if err := c.Recover(ctx); err != nil {
			t.Errorf("%s: recover after the merge: %v", when, err)
		}
		steps = toRecover(t, c)
	}
	if len(steps) > 0 {
		t.Errorf("%s: after recover there is something to recover: %q", when, steps)
	}
	io.end(t, when)
	d.leavesNothing(t, c, when)
	return killed
}

// toRecover returns what recover would do now.
func toRecover(t *testing.T, c *Controller) []string {
	t.Helper()
	p, err := c.PlanRecover(context.Background())
	c.Release()
	if err != nil {
		t.Fatal(err)
	}
	return p.Steps()
}

// leavesNothing removes all snapshots: then vol must be as it was made, and
// nothing else may be left.
func (d death) leavesNothing(t *testing.T, c *Controller, when string) {
	t.Helper()
	all, err := c.Snapshots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		remove(t, c, s.Name)
	}
	if got := names(t, c); got != "vol" {
		t.Errorf("%s: devices: %s", when, got)
	}
	settle(t) // otherwise links of removed devices may be there
	nodes, err := os.ReadDir("/dev/mapper")
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 2 {
		t.Errorf("%s: nodes: %v", when, nodes)
	}
	var lines []string
	for line := range strings.Lines(liveTable(t, "vol")) {
		lines = append(lines, strings.Join(strings.Fields(line)[:3], " ")) // without the disk's number
	}
	if diff := cmp.Diff([]string{"0 8192 linear", "8192 8192 linear"}, lines); diff != "" {
		t.Errorf("%s: vol's table: %s", when, diff)
	}
}
