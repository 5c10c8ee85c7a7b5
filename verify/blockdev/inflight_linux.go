package blockdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// errBusyDevice says that a device had no quiet moment to take a count.
var errBusyDevice = errors.New("writes complete all the time")

// inFlightTries is how often the counters are read. They are sums over the
// processors, so a write that starts on one and completes on another during the
// sum can make them wrong.
const inFlightTries = 4

// InFlight returns the number of writes to a device that have started and not
// completed, including discards and flushes. It is exact for one moment during
// the call, if the kernel counts: see Counts.
func (s System) InFlight(dev DevNo) (writes int, err error) {
	for range inFlightTries {
		before, err := s.completed(dev)
		if err != nil {
			return 0, err
		}
		if writes, err = s.begun(dev); err != nil {
			return 0, err
		}
		after, err := s.completed(dev)
		if err != nil {
			return 0, err
		}
		if slices.Equal(before, after) {
			return writes, nil
		}
	}
	return 0, fmt.Errorf("count writes in flight on device %v: %w", dev, errBusyDevice)
}

// Counts reports whether the kernel counts the requests in flight on a device.
// It does if the switch for it (queue/iostats) is on. Some kernels count even
// if it is off; to find out, Counts calls read, which must read from the
// device, and looks for it in the counters.
func (s System) Counts(dev DevNo, read func() error) (bool, error) {
	text, err := os.ReadFile(s.block(dev, "queue/iostats"))
	if err == nil && strings.TrimSpace(string(text)) == "1" {
		return true, nil
	}
	before, err := s.numbers(dev, "stat")
	if err != nil {
		return false, err
	}
	if err := read(); err != nil {
		return false, err
	}
	after, err := s.numbers(dev, "stat")
	return err == nil && len(before) > 0 && len(after) > 0 && before[0] != after[0], err
}

// begun returns the second number in the file inflight. The first counts reads,
// which are never copies.
func (s System) begun(dev DevNo) (int, error) {
	fields, err := s.numbers(dev, "inflight")
	if err != nil {
		return 0, err
	}
	if len(fields) != 2 {
		return 0, fmt.Errorf("writes in flight on device %v: %w", dev, fs.ErrInvalid)
	}
	return strconv.Atoi(fields[1])
}

// completed returns the counters in the file stat that grow when a request
// other than a read completes: writes, and in newer kernels discards and
// flushes (Documentation/block/stat.rst).
func (s System) completed(dev DevNo) ([]string, error) {
	fields, err := s.numbers(dev, "stat")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, at := range []int{4, 11, 15} {
		if at < len(fields) {
			out = append(out, fields[at])
		}
	}
	return out, nil
}

func (s System) numbers(dev DevNo, file string) ([]string, error) {
	text, err := os.ReadFile(s.block(dev, file))
	return strings.Fields(string(text)), err
}
