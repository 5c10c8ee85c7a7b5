package host

// The nodes in /dev/mapper, with and without udev. New says how long to wait for
// it.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// nodePoll is the time between looks for a node that udev makes.
const nodePoll = 20 * time.Millisecond

func (h *Linux) AddNode(name devices.Name, dev blockdev.DevNo) error {
	path := filepath.Join(h.nodes, name.String())
	right := func() bool { return h.HasNode(name, dev) }
	if h.udev && h.await(right) || right() {
		return nil
	}
	if err := removeNode(path); err != nil {
		return err
	}
	if err := mknod(path, dev); err != nil && !(errors.Is(err, fs.ErrExist) && right()) {
		return err
	}
	if !right() {
		return fmt.Errorf("%s is not device %v", path, dev)
	}
	return nil
}

func (h *Linux) Nodes() map[devices.Name]blockdev.DevNo {
	nodes := map[devices.Name]blockdev.DevNo{}
	major := h.sys.MappedMajor()
	entries, _ := os.ReadDir(h.nodes)
	for _, e := range entries {
		name, err := devices.ParseName(e.Name())
		if err != nil || name.String() != e.Name() || e.Type() != fs.ModeDevice || isMomentary(name) {
			continue
		}
		if dev, err := nodeDev(filepath.Join(h.nodes, e.Name())); err == nil && dev.Major == major {
			nodes[name] = dev
		}
	}
	return nodes
}

func (h *Linux) HasNode(name devices.Name, dev blockdev.DevNo) bool {
	now, err := nodeDev(filepath.Join(h.nodes, name.String()))
	return err == nil && now == dev
}

func (h *Linux) NodesFree(names ...devices.Name) error {
	for _, name := range names {
		if err := h.isFree(filepath.Join(h.nodes, name.String())); err != nil {
			return err
		}
	}
	return h.nodesCanBeMade()
}

func (h *Linux) isFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && isNode(info) {
		dev, err := nodeDev(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && dev.Major == h.sys.MappedMajor() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return devices.Because(devices.ErrNodeTaken, "%s exists but is not the node of a mapped device", path)
}

// nodesCanBeMade tries it with the device number that no device has: /dev may
// be read-only, full, or closed to this process. Even with udev some nodes are
// made by hand, to open a device by its number.
func (h *Linux) nodesCanBeMade() error {
	err := h.withNode(blockdev.DevNo{}, func(string) error { return nil })
	if err != nil {
		return devices.Also(devices.ErrRefused, "cannot make device nodes: %w", err)
	}
	return nil
}

func (h *Linux) RemoveNode(name devices.Name) error {
	path := filepath.Join(h.nodes, name.String())
	gone := func() bool {
		info, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist) || err == nil && !isNode(info)
	}
	// udev makes and removes links; a node that was made by hand stays.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeDevice {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Anything but a node was never ours.
	if h.udev && !isMomentary(name) && h.await(gone) || gone() {
		return nil
	}
	return removeNode(path)
}

// await waits for udev, for a limited time, until done is true and udev's queue
// is empty. Events of a removed device can hit the device that now has its
// number: they make its link too early, then remove it. Since udev may not have
// heard of the last event yet, its queue must be empty twice.
func (h *Linux) await(done func() bool) bool {
	rested := false
	for end := time.Now().Add(h.udevTime); ; time.Sleep(nodePoll) {
		_, err := os.Lstat(h.queue)
		now := errors.Is(err, fs.ErrNotExist) && done()
		if now && rested {
			return true
		}
		rested = now
		if time.Now().After(end) {
			return false
		}
	}
}

// nodeDev returns the block device of a node, or of a link to one.
func nodeDev(path string) (blockdev.DevNo, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return blockdev.DevNo{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return blockdev.DevNo{}, fmt.Errorf("%s is not a block device", path)
	}
	return blockdev.DevNo{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}, nil
}

// removeNode removes a device's node or a link to one, nothing else.
func removeNode(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isNode(info) {
		return fmt.Errorf("%s is in the way: it is not a device node", path)
	}
	return os.Remove(path)
}

// isNode reports whether it is a block device's node or may be a link to one.
func isNode(info fs.FileInfo) bool {
	t := info.Mode().Type()
	return t == fs.ModeSymlink || t == fs.ModeDevice
}
