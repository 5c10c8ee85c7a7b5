package dmctl

// The host seam on a real machine.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

type linuxHost struct {
	sys      blockdev.System
	nodes    string        // the directory of the nodes
	udev     bool          // udev makes and removes the nodes
	udevTime time.Duration // how long it is waited for
}

var _ host = linuxHost{}

func newLinuxHost() linuxHost {
	_, err := os.Stat("/run/udev/control")
	return linuxHost{nodes: "/dev/mapper", udev: err == nil, udevTime: 10 * time.Second}
}

func (h linuxHost) Disk(path string) (disk, error) {
	f, err := blockdev.Open(path)
	if err != nil {
		return disk{}, err
	}
	defer f.Close()
	if !f.IsBlockDevice() {
		return disk{}, refuse("%s is a plain file, device mapper takes block devices: put a loop device on it (losetup -f --show %s)", path, path)
	}
	return disk{
		Path: path, Dev: f.DevNo(), Bytes: f.Size(), Block: f.LogicalBlockSize(),
		ReadOnly: h.sys.IsReadOnly(f.DevNo()),
	}, nil
}

func (h linuxHost) NodePath(dev blockdev.DevNo) string { return h.sys.NodePath(dev) }

// Users looks at the device and at its partitions.
func (h linuxHost) Users(dev blockdev.DevNo) ([]user, error) {
	users, err := h.usersOf(dev, "")
	if err != nil {
		return nil, err
	}
	parts, err := h.sys.Parts(dev)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		more, err := h.usersOf(p.Dev, "with its partition "+p.Name+" ")
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

func (h linuxHost) usersOf(dev blockdev.DevNo, prefix string) ([]user, error) {
	mounts, err := h.sys.Mounts(dev)
	if err != nil {
		return nil, err
	}
	var users []user
	for _, m := range mounts {
		what := "mounted at " + m
		if m == "[swap]" {
			what = "in use as swap"
		}
		users = append(users, user{What: prefix + what})
	}
	holders, err := h.sys.Holders(dev)
	if err != nil {
		return nil, err
	}
	for _, holder := range holders {
		users = append(users, user{What: prefix + "held by " + h.sys.NodePath(holder.Dev), Holder: holder.Dev})
	}
	return users, nil
}

func (h linuxHost) Carries(path string, start int64) ([]string, error) {
	buffered, err := blockdev.Open(path)
	if err != nil {
		return nil, err
	}
	defer buffered.Close()
	// The page cache may not have what the kernel wrote below it.
	f, err := buffered.Direct()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	words, err := signatures(f, path)
	if err != nil || len(words) > 0 {
		return words, err
	}
	at, err := blockdev.FirstNonZero(f, min(start, f.Size()))
	if err == nil && at >= 0 {
		words = append(words, fmt.Sprintf("data of an unknown kind (byte %d is not zero)", at))
	}
	return words, err
}

// signatures are the words for what the common magics and blkid tell of.
func signatures(f *blockdev.File, path string) ([]string, error) {
	found, err := blockdev.Probe(f, f.Size())
	if err != nil {
		return nil, err
	}
	more, err := blockdev.Blkid(context.Background(), path)
	if err != nil {
		return nil, err
	}
	var words []string
	seen := map[string]bool{}
	for _, s := range append(found, more...) {
		if !seen[s.Type] {
			words = append(words, s.Type)
		}
		seen[s.Type] = true
	}
	return words, nil
}

func (h linuxHost) Judge(ctx context.Context, path string, originBytes uint64) (*verify.Report, error) {
	f, err := blockdev.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// What the kernel wrote when the store was last active may not be what the
	// page cache has.
	d, err := f.Direct()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return verify.Verify(ctx, d, d.Size(), verify.Options{OriginBytes: int64(originBytes)})
}

// Refresh has a loop device ask its file for its size.
func (h linuxHost) Refresh(dev blockdev.DevNo) error {
	if h.sys.LoopFile(dev) == "" {
		return nil
	}
	return h.withNode(dev, func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.IoctlSetInt(int(f.Fd()), unix.LOOP_SET_CAPACITY, 0)
		return errors.Join(err, f.Close())
	})
}

// zeroPiece is how much is written at once, in bytes.
const zeroPiece = 1 << 20

func (h linuxHost) Zero(path string, bytes int64) error {
	f, err := blockdev.OpenWriter(path)
	if err != nil {
		return err
	}
	err = zero(f, bytes)
	if err == nil {
		// The kernel will write below the page cache: nothing stale may stay.
		err = f.DropCache()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("zero the start of %s: %w", path, err)
	}
	return nil
}

func zero(d blockdev.Device, bytes int64) error {
	if bytes > d.Size() {
		return fmt.Errorf("it has %d bytes, %d are to be zeroed", d.Size(), bytes)
	}
	piece := make([]byte, min(zeroPiece, bytes))
	for off := int64(0); off < bytes; off += int64(len(piece)) {
		if _, err := d.WriteAt(piece[:min(int64(len(piece)), bytes-off)], off); err != nil {
			return err
		}
	}
	return d.Flush()
}

func (h linuxHost) Flush(path string) error {
	f, err := blockdev.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Flush(), f.Close())
}

func (h linuxHost) DropCache(dev blockdev.DevNo) error {
	return h.withNode(dev, func(path string) error {
		f, err := blockdev.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.DropCache(), f.Close())
	})
}

// withNode gives a device a node for a moment, whether or not it has one.
func (h linuxHost) withNode(dev blockdev.DevNo, use func(path string) error) error {
	path := filepath.Join(h.nodes, fmt.Sprintf(".dmsnapctl-%d-%d-%d", os.Getpid(), dev.Major, dev.Minor))
	if err := mknod(path, dev); err != nil {
		return err
	}
	return errors.Join(use(path), os.Remove(path))
}

// nodePoll is how often a node that udev makes is looked for.
const nodePoll = 20 * time.Millisecond

func (h linuxHost) AddNode(name wire.Name, dev blockdev.DevNo) error {
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

func (h linuxHost) Nodes() map[wire.Name]blockdev.DevNo {
	nodes := map[wire.Name]blockdev.DevNo{}
	major := h.sys.MappedMajor()
	entries, _ := os.ReadDir(h.nodes)
	for _, e := range entries {
		name, err := wire.NewName(e.Name())
		if err != nil || name.String() != e.Name() || e.Type() != fs.ModeDevice {
			continue
		}
		if dev, err := nodeDev(filepath.Join(h.nodes, e.Name())); err == nil && dev.Major == major {
			nodes[name] = dev
		}
	}
	return nodes
}

func (h linuxHost) HasNode(name wire.Name, dev blockdev.DevNo) bool {
	now, err := nodeDev(filepath.Join(h.nodes, name.String()))
	return err == nil && now == dev
}

func (h linuxHost) NodeFree(name wire.Name) error {
	path := filepath.Join(h.nodes, name.String())
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
	return refuse("%s is in the way and is no mapped device's node: remove it or choose another name", path)
}

func (h linuxHost) RemoveNode(name wire.Name) error {
	path := filepath.Join(h.nodes, name.String())
	gone := func() bool {
		info, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist) || err == nil && !isNode(info)
	}
	if gone() {
		return nil // what is no node was never ours
	}
	if h.udev && h.await(gone) {
		return nil
	}
	return removeNode(path)
}

// await waits for udev, for a bounded time.
func (h linuxHost) await(done func() bool) bool {
	for end := time.Now().Add(h.udevTime); ; time.Sleep(nodePoll) {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// nodeDev is the block device that a node, or a link to one, stands for.
func nodeDev(path string) (blockdev.DevNo, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return blockdev.DevNo{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return blockdev.DevNo{}, fmt.Errorf("%s is no block device", path)
	}
	return blockdev.DevNo{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}, nil
}

func mknod(path string, dev blockdev.DevNo) error {
	err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(dev.Major, dev.Minor)))
	if err != nil {
		return &fs.PathError{Op: "mknod", Path: path, Err: err}
	}
	return nil
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
		return fmt.Errorf("%s is in the way: it is no device's node", path)
	}
	return os.Remove(path)
}

// isNode says whether it is a block device's node or may be a link to one.
func isNode(info fs.FileInfo) bool {
	t := info.Mode().Type()
	return t == fs.ModeSymlink || t == fs.ModeDevice
}
