package blockdev

// The users of a block device, from sysfs and procfs.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// System is the root of the kernel's file systems. The zero value is this
// machine; tests set another root.
type System struct{ Root string }

func (s System) path(elem ...string) string {
	return filepath.Join(append([]string{"/" + s.Root}, elem...)...)
}

// attributeBytes is the room for an attribute, in bytes. Hardly any needs more.
const attributeBytes = 1 << 10

// readAttribute is os.ReadFile with a third of its system calls: there may be
// thousands of clones, with several attributes each. A short read is the last.
func readAttribute(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd) // it was opened for reading
	text, used := make([]byte, attributeBytes), 0
	for {
		n, err := unix.Read(fd, text[used:])
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if used += n; used < len(text) {
			return text[:used], nil
		}
		text = append(text, make([]byte, len(text))...)
	}
}

func (s System) block(dev DevNo, elem ...string) string {
	return s.path(append([]string{"sys/dev/block", dev.String()}, elem...)...)
}

// Holders returns the devices built on dev (device mapper, md, bcache).
func (s System) Holders(dev DevNo) ([]Neighbour, error) { return s.neighbours(dev, "holders") }

// Slaves returns the devices that dev is built on.
func (s System) Slaves(dev DevNo) ([]Neighbour, error) { return s.neighbours(dev, "slaves") }

// Neighbour is a device directly above or below another one.
type Neighbour struct {
	Name string // the kernel's name, such as dm-0
	Dev  DevNo
}

func (s System) neighbours(dev DevNo, side string) ([]Neighbour, error) {
	entries, err := os.ReadDir(s.block(dev, side))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // partitions have no slaves
	}
	if err != nil {
		return nil, fmt.Errorf("%s of device %v: %w", side, dev, err)
	}
	var out []Neighbour
	for _, e := range entries {
		no, err := s.devNo(s.block(dev, side, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("%s of device %v: %w", side, dev, err)
		}
		out = append(out, Neighbour{Name: e.Name(), Dev: no})
	}
	return out, nil
}

func (s System) devNo(dir string) (DevNo, error) {
	text, err := readAttribute(filepath.Join(dir, "dev"))
	if err != nil {
		return DevNo{}, err
	}
	return ParseDevNo(strings.TrimSpace(string(text)))
}

// NodePath returns the device's node: /dev/mapper/NAME for device mapper, the
// name in sysfs for others, or the number if neither is known.
func (s System) NodePath(dev DevNo) string {
	if name, err := readAttribute(s.block(dev, "dm/name")); err == nil {
		return MappedNodes + strings.TrimSpace(string(name))
	}
	text, err := readAttribute(s.block(dev, "uevent"))
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
				return "/dev/" + strings.TrimPrefix(name, "/dev/")
			}
		}
	}
	return dev.String()
}

// IsReadOnly reports whether the kernel refuses writes to the device.
func (s System) IsReadOnly(dev DevNo) bool {
	text, err := readAttribute(s.block(dev, "ro"))
	return err == nil && strings.TrimSpace(string(text)) == "1"
}

// Parts returns the partitions of a whole disk.
func (s System) Parts(dev DevNo) ([]Neighbour, error) {
	entries, err := os.ReadDir(s.block(dev))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("partitions of device %v: %w", dev, err)
	}
	var out []Neighbour
	for _, e := range entries {
		if !e.IsDir() { // most are attributes
			continue
		}
		dir := s.block(dev, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
			continue
		}
		no, err := s.devNo(dir)
		if err != nil {
			return nil, fmt.Errorf("partitions of device %v: %w", dev, err)
		}
		out = append(out, Neighbour{Name: e.Name(), Dev: no})
	}
	return out, nil
}

// WholeDisk returns the disk that a partition is on. ok is false if dev is not
// a partition.
func (s System) WholeDisk(dev DevNo) (disk DevNo, ok bool) {
	if _, err := os.Stat(s.block(dev, "partition")); err != nil {
		return DevNo{}, false
	}
	real, err := filepath.EvalSymlinks(s.block(dev))
	if err != nil {
		return DevNo{}, false
	}
	disk, err = s.devNo(filepath.Dir(real))
	return disk, err == nil
}

// LoopFile returns the file behind a loop device, or "" if dev is not one.
func (s System) LoopFile(dev DevNo) string {
	text, err := readAttribute(s.block(dev, "loop/backing_file"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

// MappedMajor returns the major number of device mapper's devices, or 0 if the
// kernel has no device mapper.
func (s System) MappedMajor() uint32 {
	text, err := os.ReadFile(s.path("proc/devices"))
	if err != nil {
		return 0
	}
	_, blocks, _ := strings.Cut(string(text), "Block devices:")
	for line := range strings.Lines(blocks) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[1] == "device-mapper" {
			n, _ := parseBounded(fields[0], maxMajor)
			return n
		}
	}
	return 0
}
