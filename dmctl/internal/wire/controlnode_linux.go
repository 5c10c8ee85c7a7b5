package wire

// Device mapper's control node on systems where neither udev nor devtmpfs made
// it.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// openControl opens the control node. If device mapper exists but its node does
// not, it makes the node first.
func openControl() (*Control, error) {
	minor, ok := controlMinor()
	if err := checkControlNode(minor, ok); err != nil {
		return nil, err
	}
	control, err := OpenControl()
	if !errors.Is(err, fs.ErrNotExist) {
		return control, err
	}
	if !ok {
		return nil, err
	}
	if err := makeControlNode(minor); err != nil {
		return nil, fmt.Errorf("%w (%w)", devices.ErrNoControlNode, err)
	}
	return OpenControl()
}

// miscMajor is the major number of the "misc" driver (MISC_MAJOR of
// include/uapi/linux/major.h).
const miscMajor = 10

// checkControlNode refuses a file in the place of the control node that is
// another device or no device, before it is opened. If device mapper is not
// registered, its minor number is unknown: opening the node loads it.
func checkControlNode(minor uint32, registered bool) error {
	var stat unix.Stat_t
	if err := unix.Stat(ControlNode, &stat); err != nil {
		return nil // opening it reports the same
	}
	return wrongNode(stat.Mode, uint64(stat.Rdev), minor, registered)
}

func wrongNode(mode uint32, device uint64, minor uint32, registered bool) error {
	want := strconv.Itoa(miscMajor)
	if registered {
		want = fmt.Sprintf("%d:%d", miscMajor, minor)
	}
	var is string
	switch {
	case mode&unix.S_IFMT != unix.S_IFCHR:
		is = "no character device"
	case unix.Major(device) != miscMajor || registered && unix.Minor(device) != minor:
		is = fmt.Sprintf("the device %d:%d", unix.Major(device), unix.Minor(device))
	default:
		return nil
	}
	return fmt.Errorf("%w: it is %s, want %s", devices.ErrWrongControlNode, is, want)
}

// makeControlNode tries once to make the node. It is created with its mode and
// its numbers; if somebody else was faster, that node is as good.
func makeControlNode(minor uint32) error {
	if err := os.MkdirAll(filepath.Dir(ControlNode), 0o755); err != nil {
		return err
	}
	err := unix.Mknod(ControlNode, unix.S_IFCHR|0o600, int(unix.Mkdev(miscMajor, minor)))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return &os.PathError{Op: "mknod", Path: ControlNode, Err: err}
	}
	return nil
}

// controlMinor returns the minor number of the control node, and whether device
// mapper exists: /proc/misc lists it with or without a node.
func controlMinor() (minor uint32, ok bool) {
	misc, err := os.ReadFile("/proc/misc")
	if err != nil {
		return 0, false
	}
	return minorIn(string(misc), "device-mapper")
}

// minorIn looks up a driver in the lines "minor name" of /proc/misc.
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
