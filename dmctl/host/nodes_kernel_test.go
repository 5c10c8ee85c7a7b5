//go:build linux && kernel

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Nodes with udev, which is played here: it is slow, it is wrong, it is dead.
func TestNodesWithUdev(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatal("DMSNAPCTL_TEST_DISKS names no two disks")
	}
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
	h := &Linux{nodes: t.TempDir(), udev: true, udevTime: 300 * time.Millisecond}
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
	add("udev is dead")
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	if h.HasNode(name, right) {
		t.Error("the node of the dead udev stays")
	}
	if err := mknod(path, wrong); err != nil {
		t.Fatal(err)
	}
	add("a node of another device is in the way")
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	if err := h.NodeFree(name); err != nil {
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
	if err := h.NodeFree(name); !errors.Is(err, devices.ErrRefused) {
		t.Errorf("a file is in the way: %v", err)
	}
	if err := h.RemoveNode(name); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a file was removed for a node: %v", err)
	}
}
