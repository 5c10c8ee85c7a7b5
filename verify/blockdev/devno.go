package blockdev

import (
	"fmt"
	"strconv"
	"strings"
)

// MappedNodes is the directory of the nodes of mapped devices, with its slash.
const MappedNodes = "/dev/mapper/"

// DevNo is a block device's number as in tables and sysfs: MAJOR:MINOR.
type DevNo struct{ Major, Minor uint32 }

// The limits of dev_t (include/linux/kdev_t.h: MINORBITS).
const (
	maxMajor = 1<<12 - 1
	maxMinor = 1<<20 - 1
)

func (n DevNo) String() string { return fmt.Sprintf("%d:%d", n.Major, n.Minor) }

// IsZero reports whether n is 0:0, the number of no device.
func (n DevNo) IsZero() bool { return n == DevNo{} }

// ParseDevNo parses MAJOR:MINOR.
func ParseDevNo(s string) (DevNo, error) {
	major, minor, ok := strings.Cut(s, ":")
	if !ok {
		return DevNo{}, fmt.Errorf("device number %q: want MAJOR:MINOR", s)
	}
	ma, err := parseBounded(major, maxMajor)
	if err != nil {
		return DevNo{}, fmt.Errorf("device number %q: %w", s, err)
	}
	mi, err := parseBounded(minor, maxMinor)
	if err != nil {
		return DevNo{}, fmt.Errorf("device number %q: %w", s, err)
	}
	return DevNo{ma, mi}, nil
}

func parseBounded(s string, limit uint64) (uint32, error) {
	if strings.HasPrefix(s, "+") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if n > limit {
		return 0, fmt.Errorf("%d exceeds %d", n, limit)
	}
	return uint32(n), nil
}
