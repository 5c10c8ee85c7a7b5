package host

// The devices below a device: down through device mapper, partitions, and loop
// devices with the file systems of their files.

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// belowDepth limits the walk down a stack of devices. It also ends the walk if
// the stack changes meanwhile.
const belowDepth = 64

func (h *Linux) Below(dev blockdev.DevNo) ([]blockdev.DevNo, error) {
	seen := map[blockdev.DevNo]bool{}
	var all []blockdev.DevNo
	todo := []blockdev.DevNo{dev}
	for depth := 0; len(todo) > 0 && depth < belowDepth; depth++ {
		var next []blockdev.DevNo
		for _, d := range todo {
			if seen[d] {
				continue
			}
			seen[d] = true
			all = append(all, d)
			under, err := h.directlyBelow(d)
			if err != nil {
				return nil, err
			}
			next = append(next, under...)
		}
		todo = next
	}
	return all, nil
}

func (h *Linux) directlyBelow(dev blockdev.DevNo) ([]blockdev.DevNo, error) {
	var out []blockdev.DevNo
	slaves, err := h.sys.Slaves(dev)
	if err != nil {
		return nil, err
	}
	for _, s := range slaves {
		out = append(out, s.Dev)
	}
	if whole, ok := h.sys.WholeDisk(dev); ok {
		out = append(out, whole)
	}
	if path := h.sys.LoopFile(dev); path != "" {
		under, err := h.belowLoop(dev, path)
		if err != nil {
			return nil, err
		}
		out = append(out, under...)
	}
	return out, nil
}

// file is a file that a loop device has open, or a directory of an overlay.
type file struct {
	path     string // where it once was; it may be removed or replaced by now
	dev      blockdev.DevNo
	inode    uint64
	readOnly bool // nothing is written to it
}

// belowLoop returns the devices below the file of a loop device. The kernel
// knows the file; the path is only used for file systems whose device number is
// not that of a device.
func (h *Linux) belowLoop(dev blockdev.DevNo, path string) ([]blockdev.DevNo, error) {
	f, err := h.loopFile(dev, path)
	var under []blockdev.DevNo
	if err == nil {
		under, err = h.belowFile(f, overlayDepth)
	}
	if err != nil {
		return nil, fmt.Errorf("file %s of %s: %w", path, h.sys.NodePath(dev), err)
	}
	return under, nil
}

// loopFile asks a loop device for its file (LOOP_GET_STATUS64).
func (h *Linux) loopFile(dev blockdev.DevNo, path string) (file, error) {
	f, err := openNode(h.sys.NodePath(dev), dev, os.O_RDONLY)
	if err != nil {
		return statFile(path, h.sys.IsReadOnly(dev)) // a /dev that lacks it
	}
	defer f.Close()
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	if err != nil {
		return file{}, err
	}
	return file{path: path, dev: devNo(info.Device), inode: info.Inode, readOnly: h.sys.IsReadOnly(dev)}, nil
}

// openNode opens a node if it is the node of dev.
func openNode(path string, dev blockdev.DevNo, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || !isNodeOf(&st, dev) {
		return nil, errors.Join(fmt.Errorf("%s is not the node of %v", path, dev), err, f.Close())
	}
	return f, nil
}

// isNodeOf reports whether a file is a node of the block device dev.
func isNodeOf(st *unix.Stat_t, dev blockdev.DevNo) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFBLK && devNo(st.Rdev) == dev
}

func statFile(path string, readOnly bool) (file, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return file{}, err
	}
	return file{path: path, dev: devNo(st.Dev), inode: st.Ino, readOnly: readOnly}, nil
}

func devNo(n uint64) blockdev.DevNo {
	return blockdev.DevNo{Major: unix.Major(n), Minor: unix.Minor(n)}
}

// overlayDepth limits how many overlays lie on one another; the kernel allows 2
// (fs/overlayfs/super.c: FILESYSTEM_MAX_STACK_DEPTH).
const overlayDepth = 4

// deviceless lists the file systems that keep their files in memory, on another
// machine or on no block device.
var deviceless = map[string]bool{
	"tmpfs": true, "ramfs": true, "rootfs": true, "devtmpfs": true, "hugetlbfs": true,
	"nfs": true, "nfs4": true, "cifs": true, "smb3": true, "ceph": true, "afs": true, "fuse.sshfs": true,
	"9p": true, "virtiofs": true, "hostfs": true, "vboxsf": true, "fuse.vmhgfs-fuse": true,
	"jffs2": true, "ubifs": true,
}

// belowFile returns the devices that a file lies on. A file system's device
// number is that of its block device, unless its major number is 0, which
// stands for no device: btrfs, overlay and other file systems without a single
// device use such numbers.
func (h *Linux) belowFile(f file, depth int) ([]blockdev.DevNo, error) {
	if f.dev.Major != 0 {
		return []blockdev.DevNo{f.dev}, nil
	}
	m, err := h.mountOf(f)
	if err != nil {
		return nil, err
	}
	switch {
	case deviceless[m.Type]:
		return nil, nil
	case m.Type == "overlay" && depth > 0:
		return h.belowOverlay(m, f.readOnly, depth-1)
	}
	source, err := nodeDev(m.Source)
	if err != nil {
		return nil, lostBelow("the %s file system at %s does not name its device", m.Type, m.Place)
	}
	if m.Type == "btrfs" {
		return h.sys.BtrfsDevices(source)
	}
	return []blockdev.DevNo{source}, nil
}

// belowOverlay returns the devices of an overlay's layers. A file open for
// writing is in the upper layer.
func (h *Linux) belowOverlay(m blockdev.Mount, readOnly bool, depth int) ([]blockdev.DevNo, error) {
	upper, dirs := m.Layers()
	if upper != "" {
		if !readOnly {
			dirs = nil
		}
		dirs = append(dirs, upper)
	}
	var out []blockdev.DevNo
	for _, dir := range dirs {
		f, err := statFile(dir, readOnly)
		if err != nil || !strings.HasPrefix(dir, "/") {
			return nil, lostBelow("the overlay at %s names a missing layer %s", m.Place, dir)
		}
		under, err := h.belowFile(f, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, under...)
	}
	return out, nil
}

// mountOf finds the mount in which a file was opened: by its path if that still
// leads to the file, otherwise by its device number.
func (h *Linux) mountOf(f file) (blockdev.Mount, error) {
	mounts, err := h.sys.MountTable()
	if err != nil {
		return blockdev.Mount{}, err
	}
	id, reached := mountID(f)
	for _, m := range mounts {
		if reached && m.ID == id || !reached && m.Dev == f.dev {
			return m, nil
		}
	}
	return blockdev.Mount{}, lostBelow("neither the file nor a mounted file system with the number %v was found", f.dev)
}

// mountID returns the number of the mount that a file's path leads to, if it
// leads to the file. A device number would not do: subvolumes and layers have
// numbers that no mount has.
func mountID(f file) (id int, ok bool) {
	fd, err := unix.Open(f.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || devNo(st.Dev) != f.dev || st.Ino != f.inode {
		return 0, false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if n, err := fmt.Sscanf(line, "mnt_id: %d", &id); err == nil && n == 1 {
			return id, true
		}
	}
	return 0, false
}

// lostBelow returns the error for a device whose place is unknown. It wraps
// ErrForce.
func lostBelow(format string, args ...any) error {
	return devices.UnlessForced(false, "cannot tell on which device it lies: "+format+"; on the origin itself, copying would wait for itself", args...)
}
