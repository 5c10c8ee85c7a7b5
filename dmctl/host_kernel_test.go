//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Recovery removes nodes that a killed run left, and nothing that others put
// next to them.
func TestRecoverNodes(t *testing.T) {
	c, disks := scratch(t)
	create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: disks[1]})
	info, err := c.e.Info(mustName(t, "s"))
	if err != nil {
		t.Fatal(err)
	}
	const dir = "/dev/mapper"
	links := map[string]string{"alias": "s", "absolute": "/dev/mapper/s", "dangling": "../dm-4711"}
	for name, target := range links {
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(path) })
	}
	gone := info.Dev
	gone.Minor = 4711
	stale := map[string]blockdev.DevNo{"renamed": info.Dev, "removed": gone}
	for name, dev := range stale {
		if err := makeNode(filepath.Join(dir, name), dev); err != nil {
			t.Fatal(err)
		}
	}
	p, err := c.PlanRecover(context.Background())
	run(t, c, p, err)
	for name, target := range links {
		if got, err := os.Readlink(filepath.Join(dir, name)); got != target {
			t.Errorf("the link %s is %q, %v", name, got, err)
		}
	}
	for name := range stale {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the node %s stays: %v", name, err)
		}
	}
	if p, err := c.PlanRecover(context.Background()); err != nil || len(p.Steps()) > 0 {
		t.Errorf("a second recovery has something to do: %v, %v", p, err)
	}
	remove(t, c, "s")
}

// What a real device reports about itself, and who holds it.
func TestDiskFacts(t *testing.T) {
	c, disks := scratch(t)
	path := mapped(t, c, "d", "0 2048 linear "+disks[0]+" 0")
	d, err := c.e.Open(path)
	if err != nil || d.Bytes() != mib || d.Block() != 512 || d.ReadOnly() {
		t.Errorf("%+v, %v", d, err)
	}
	below, err := c.e.Open(disks[0])
	if err != nil {
		t.Fatal(err)
	}
	users, err := c.e.Users(below.Dev())
	if err != nil || len(users) != 1 || users[0] != (host.User{What: "held by /dev/mapper/d", Holder: d.Dev()}) {
		t.Errorf("users %v, %v", users, err)
	}
	chain, err := c.e.Below(d.Dev())
	if err != nil || len(chain) != 2 || chain[0] != d.Dev() || chain[1] != below.Dev() {
		t.Errorf("below %v, %v", chain, err)
	}
	if _, err := blockdev.OpenWriter(disks[0]); err == nil {
		t.Error("a held device was opened for writing")
	}
	f, err := blockdev.Open(disks[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	direct, err := f.Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	fill(t, path, 0, mib, 7) // below the page cache of the disk
	got := make([]byte, 1000)
	if _, err := direct.ReadAt(got, 333); err != nil {
		t.Fatal(err)
	}
	same(t, "a direct read at an odd place", got, noise(mib, 7)[333:1333])
}
