//go:build linux && kernel

package dmctl

// Many programs at once, and one program for a long time.

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/soak"
)

// 20 programs at once, on two origins: each does what it was told to, and none
// disturbs another.
func TestAttackCrowd(t *testing.T) {
	c, disks := scratch(t)
	for round := range soak.Rounds(t, "20 programs at once", 10) {
		crowd(t, c, disks, fmt.Sprintf("round %d", round))
	}
}

func crowd(t *testing.T, c *Controller, disks []string, when string) {
	t.Helper()
	removeAll(t, c)
	vol := mapped(t, c, "vol", "0 16384 linear "+disks[0]+" 0")
	fill(t, vol, 0, 8*mib, 1)
	fill(t, disks[3], 0, 8*mib, 2)
	volIs, diskIs := content(t, vol), content(t, disks[3])
	cows := pieces(t, c, disks[1], "cow", 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)
	for _, name := range []string{"old0", "old1", "old2"} {
		create(t, c, CreateRequest{Name: name, Origin: vol, COW: cows[0], ChunkBytes: 8 << 9, Force: true})
		cows = cows[1:]
	}
	var all []request
	for i, cow := range cows { // 11: 7 of vol and 4 of the disk
		origin := vol
		if i%3 == 2 {
			origin = disks[3]
		}
		all = append(all, request{Create: &CreateRequest{Name: fmt.Sprintf("s%d", i), Origin: origin, COW: cow, ChunkBytes: 8 << 9, Force: true}})
	}
	for _, name := range []string{"old0", "old1", "old2"} {
		all = append(all, request{Remove: &RemoveRequest{Name: name}})
	}
	for range 3 {
		all = append(all, request{Recover: true}, request{List: true})
	}
	if len(all) != 20 {
		t.Fatalf("%d programs", len(all))
	}
	var running sync.WaitGroup
	for i, r := range all {
		running.Go(func() {
			program := child(t, r, dieNever)
			program.Env = append(program.Env, envPatient+"=yes")
			if out, err := program.Output(); err != nil {
				t.Errorf("%s: program %d: %v, %s", when, i, err, out)
			}
		})
	}
	running.Wait()
	noneSuspended(t, c, when)
	found, err := c.Snapshots(context.Background())
	if err != nil || len(found) != len(cows) {
		t.Errorf("%s: %d snapshots, want %d: %v", when, len(found), len(cows), err)
	}
	for _, s := range found {
		want := volIs
		if s.Origin == disks[3] {
			want = diskIs
		}
		if !strings.HasPrefix(s.Name, "s") || s.State != "active" {
			t.Errorf("%s: %+v", when, s)
		}
		same(t, when+": "+s.Name, content(t, "/dev/mapper/"+s.Name), want)
		remove(t, c, s.Name)
	}
	if got := names(t, c); strings.Count(got, " ") != len(cows)+3 || !strings.Contains(got, "vol") {
		t.Errorf("%s: devices: %s", when, got)
	}
}

// usage is what a process keeps open and allocated.
type usage struct {
	descriptors int
	heap        uint64
}

func used(t *testing.T) usage {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC() // what finalizers free
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{len(fds), m.HeapAlloc}
}

// One program makes and removes snapshots. After many it needs no more
// descriptors and memory than after ten.
func TestAttackCycles(t *testing.T) {
	c, disks := scratch(t)
	vol := mapped(t, c, "vol", "0 16384 linear "+disks[0]+" 0")
	var early usage
	rounds := soak.Rounds(t, "create and remove", 1000)
	for i := range rounds {
		create(t, c, CreateRequest{Name: "s", Origin: vol, COW: disks[1], ChunkBytes: 8 << 9, Force: true})
		remove(t, c, "s")
		if i == min(10, rounds/2) {
			early = used(t)
		}
	}
	late := used(t)
	if late.descriptors != early.descriptors || late.heap > early.heap+mib {
		t.Errorf("after a few %+v, after %d %+v", early, rounds, late)
	}
	if got := names(t, c); got != "vol" {
		t.Errorf("devices: %s", got)
	}
}
