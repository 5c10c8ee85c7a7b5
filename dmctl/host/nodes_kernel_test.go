//go:build linux && kernel

package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Nodes with a simulated udev, which is slow, wrong or dead.
func TestNodesWithUdev(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatal("DMSNAPCTL_TEST_DISKS names no two disks")
	}
	const patience = time.Minute // with a udev that works, on a busy machine
	name, err := devices.ParseName("d")
	if err != nil {
		t.Fatal(err)
	}
	right, err := nodeDev(disks[0])
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := nodeDev(disks[1])
	if err != nil {
		t.Fatal(err)
	}
	h := &Linux{nodes: t.TempDir(), udev: true, queue: filepath.Join(t.TempDir(), "queue"), udevTime: patience}
	path := filepath.Join(h.nodes, "d")
	kernelNode := filepath.Join(h.nodes, "dm")
	if err := mknod(kernelNode, right); err != nil {
		t.Fatal(err)
	}
	add := func(what string) {
		t.Helper()
		if err := h.AddNode(name, right); err != nil || !h.HasNode(name, right) {
			t.Errorf("%s: %v", what, err)
		}
	}

	go func() {
		time.Sleep(50 * time.Millisecond)
		_ = os.Symlink("dm", path)
	}()
	add("udev makes a link, late")
	if got, err := os.Readlink(path); got != "dm" {
		t.Errorf("udev's link became %q, %v", got, err)
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		_ = os.Remove(path)
	}()
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	h.udevTime = 300 * time.Millisecond
	add("udev is dead")
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	if h.HasNode(name, right) {
		t.Error("the node of the dead udev stays")
	}
	h.udevTime = patience
	staleEvents(t, h, name, right, path)
	h.udevTime = 300 * time.Millisecond
	if err := mknod(path, wrong); err != nil {
		t.Fatal(err)
	}
	add("a node of another device is in the way")
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	if err := h.NodesFree(name); err != nil {
		t.Errorf("nothing is in the way: %v", err)
	}
	if left, err := os.ReadDir(h.nodes); err != nil || len(left) != 1 {
		t.Errorf("looking whether nodes can be made left %v, %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.AddNode(name, right); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("a file is in the way: %v", err)
	}
	if err := h.NodesFree(name); !errors.Is(err, devices.ErrRefused) {
		t.Errorf("a file is in the way: %v", err)
	}
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a file was removed for a node: %v", err)
	}
}

// Momentary nodes of killed processes are left, those of living ones are in use.
// A node that is taken away before it could be used is made again.
func TestMomentaryNodes(t *testing.T) {
	h := &Linux{nodes: t.TempDir(), udev: true, queue: filepath.Join(t.TempDir(), "queue"), udevTime: time.Hour}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	dev := blockdev.DevNo{Major: 1, Minor: 1}
	next := lastMomentary.Load() + 1
	for _, name := range []string{
		fmt.Sprintf(".dmsnapctl-%d-254-0", dead.Process.Pid),
		fmt.Sprintf(".dmsnapctl-%d-%d", dead.Process.Pid, next),
		fmt.Sprintf(".dmsnapctl-%d-%d", os.Getpid(), next),
		".dmsnapctl-x-1", fmt.Sprintf(".dmsnapctl-%d", dead.Process.Pid),
	} {
		if err := mknod(filepath.Join(h.nodes, name), dev); err != nil {
			t.Fatal(err)
		}
	}
	left := h.LeftNodes()
	if len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	for _, name := range left {
		if err := h.RemoveNode(name); err != nil { // does not wait for udev
			t.Error(err)
		}
	}
	if left := h.LeftNodes(); len(left) > 0 {
		t.Errorf("after their removal: %v", left)
	}
	uses := 0
	err := h.withNode(dev, func(path string) error {
		uses++
		if got, err := nodeDev(path); err != nil || got != dev {
			t.Errorf("%s is %v, %v", path, got, err)
		}
		if uses < nodeTries {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
		_, err := os.Lstat(path)
		return err
	})
	if err != nil || uses != nodeTries {
		t.Errorf("used %d times: %v", uses, err)
	}
	if left, err := os.ReadDir(h.nodes); err != nil || len(left) != 3 {
		t.Errorf("nodes at the end: %v, %v", left, err)
	}
}

// A udev that works makes links, and leaves a node that was made by hand. Nobody
// waits for it to remove one.
func TestNodesMadeByHand(t *testing.T) {
	h := &Linux{nodes: t.TempDir(), udev: true, queue: filepath.Join(t.TempDir(), "queue"), udevTime: time.Hour}
	for _, text := range []string{"d", "e"} {
		name, err := devices.ParseName(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := mknod(filepath.Join(h.nodes, text), blockdev.DevNo{Major: 1, Minor: 1}); err != nil {
			t.Fatal(err)
		}
		if err := h.RemoveNode(name); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(h.nodes); err != nil || len(left) > 0 {
		t.Errorf("nodes are left: %v, %v", left, err)
	}
}

// staleEvents simulates a udev that processes the events of an earlier device
// with the same number: it makes the new device's link, removes it, and makes
// it again. Neither the first link nor its absence is final.
func staleEvents(t *testing.T, h *Linux, name devices.Name, dev blockdev.DevNo, path string) {
	t.Helper()
	var rests atomic.Bool // before the queue goes
	busy := func(work ...func() error) <-chan error {
		rests.Store(false)
		if err := os.WriteFile(h.queue, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			var errs []error
			for _, do := range work {
				time.Sleep(60 * time.Millisecond)
				errs = append(errs, do())
			}
			time.Sleep(60 * time.Millisecond)
			rests.Store(true)
			done <- errors.Join(append(errs, os.Remove(h.queue))...)
		}()
		return done
	}
	link := func() error { return os.Symlink("dm", path) }
	unlink := func() error { return os.Remove(path) }

	for _, tt := range []struct {
		what string
		work []func() error
		do   func() error
	}{
		{"made", []func() error{link, unlink, link}, func() error { return h.AddNode(name, dev) }},
		{"removed", []func() error{unlink, link, unlink}, func() error { return h.RemoveNode(name) }},
	} {
		worked := busy(tt.work...)
		if err := tt.do(); err != nil {
			t.Error(err)
		}
		if !rests.Load() {
			t.Errorf("a node was taken for %s while udev had events of it to work off", tt.what)
		}
		if err := <-worked; err != nil {
			t.Error(err)
		}
	}
}
