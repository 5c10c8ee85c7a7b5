//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// badMerge is a merge that stopped after an I/O error in the middle of the
// store; mend repairs the cause.
type badMerge struct {
	origin string
	want   []byte // what the origin must hold at the end
	dust   devices.Kernel
	name   devices.Name
}

func newBadMerge(t *testing.T, c *Controller, disks []string) *badMerge {
	t.Helper()
	removeAll(t, c)
	if strings.Contains(os.Getenv("DMSNAPCTL_TEST_MISSING"), "dm-dust") {
		t.Skip("not applicable: the kernel has no dm-dust")
	}
	store := mapped(t, c, "cow", "0 65536 dust "+disks[1]+" 0 512")
	m := &badMerge{
		origin: mapped(t, c, "vol", "0 16384 linear "+disks[0]+" 0"),
		dust:   c.e, name: mustName(t, "cow"),
	}
	fill(t, m.origin, 0, 8*mib, 1)
	m.want = content(t, m.origin)
	create(t, c, CreateRequest{Name: "s", Origin: m.origin, COW: store, ChunkBytes: 8 << 9, Force: true})
	fill(t, m.origin, 0, 4*mib, 2)
	m.tell(t, "addbadblock 4096")
	m.tell(t, "enable")
	if err := c.Merge(context.Background(), MergeRequest{Name: "s"}, nil); !errors.Is(err, ErrMergeFailed) {
		t.Fatalf("merge with a bad block: %v", err)
	}
	if s := snapshot(t, c, "s"); s.State != "merge-failed" {
		t.Errorf("after the failure: %+v", s)
	}
	return m
}

func (m *badMerge) tell(t *testing.T, message string) {
	t.Helper()
	if err := m.dust.Message(m.name, 0, message); err != nil {
		t.Fatal(err)
	}
}

// A merge that hits an I/O error stops, and continues on request.
func TestMergeFailsAndGoesOn(t *testing.T) {
	c, disks := scratch(t)
	m := newBadMerge(t, c, disks)
	m.tell(t, "disable")
	if err := c.Merge(context.Background(), MergeRequest{Name: "s"}, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "origin", content(t, m.origin), m.want)
	if got := names(t, c); got != "cow vol" {
		t.Errorf("devices: %s", got)
	}
}

// It may be killed at any step of that.
func TestMergeAgainKilled(t *testing.T) {
	c, disks := scratch(t)
	t.Setenv("PATH", "")
	ctx := context.Background()
	at := 1
	for ; ; at++ {
		m := newBadMerge(t, c, disks)
		m.tell(t, "disable")
		died := wasKilled(t, child(t, request{Merge: &MergeRequest{Name: "s"}}, at))
		if died {
			noneSuspended(t, c, fmt.Sprintf("killed before step %d", at))
			if err := c.Recover(ctx); err != nil {
				t.Errorf("killed before step %d: recover: %v", at, err)
			}
			state(t, c) // nothing is suspended
			if err := c.Merge(ctx, MergeRequest{Name: "s"}, nil); err != nil && !errors.Is(err, ErrNotFound) {
				t.Errorf("killed before step %d: merge: %v", at, err)
			}
		}
		same(t, "origin", content(t, m.origin), m.want)
		if got := names(t, c); got != "cow vol" {
			t.Errorf("killed before step %d: devices: %s", at, got)
		}
		if !died {
			break
		}
	}
	if at < 10 {
		t.Errorf("only %d steps", at)
	}
}
