package dmctl

// Device mapper's control node, where no udev and no devtmpfs has made it.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

// openControl opens the control node; where device mapper is there and its
// node is not, it makes the node first.
func openControl() (*wire.Control, error) {
	control, err := wire.OpenControl()
	if !errors.Is(err, fs.ErrNotExist) {
		return control, err
	}
	minor, ok := controlMinor()
	if !ok {
		return nil, err
	}
	if err := makeControlNode(minor); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoControlNode, err)
	}
	return wire.OpenControl()
}

// makeControlNode is one attempt. The node comes into being with its mode and
// its numbers; if somebody else was faster, that one is as good.
func makeControlNode(minor uint32) error {
	const miscMajor = 10 // MISC_MAJOR of include/uapi/linux/major.h
	if err := os.MkdirAll(filepath.Dir(wire.ControlNode), 0o755); err != nil {
		return err
	}
	err := unix.Mknod(wire.ControlNode, unix.S_IFCHR|0o600, int(unix.Mkdev(miscMajor, minor)))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return &os.PathError{Op: "mknod", Path: wire.ControlNode, Err: err}
	}
	return nil
}

// controlMinor returns the minor number of the control node, and whether there
// is a device mapper: /proc/misc lists it with or without a node.
func controlMinor() (minor uint32, ok bool) {
	misc, err := os.ReadFile("/proc/misc")
	if err != nil {
		return 0, false
	}
	return minorIn(string(misc), "device-mapper")
}

// minorIn looks a driver up in the lines "minor name" of /proc/misc.
func minorIn(misc, driver string) (minor uint32, ok bool) {
	for line := range strings.Lines(misc) {
		number, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != driver {
			continue
		}
		const minorBits = 20
		n, err := strconv.ParseUint(number, 10, minorBits)
		return uint32(n), err == nil
	}
	return 0, false
}
