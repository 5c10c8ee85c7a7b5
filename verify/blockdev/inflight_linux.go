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

// errBusyDevice says that a device had no quiet moment to be counted at.
var errBusyDevice = errors.New("writes complete all the time")

// inFlightTries is how often the counters are read: they are sums over the
// processors, which a write that begins on one and completes on another while
// they are added up can falsify.
const inFlightTries = 4

// InFlight is the number of writes to a device that have begun and not
// completed, discards and flushes among them. It is right for one moment during
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
	return 0, fmt.Errorf("counting what is in flight on device %v: %w", dev, errBusyDevice)
}

// Counts says whether the kernel counts what is in flight on a device. The
// switch for that (queue/iostats) tells where it is on. Some kernels count all
// the same where it is off: there read, which has to read the device, is seen in
// the counters.
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

// begun is the second number of the file inflight; the first is of reads, which
// copy nothing.
func (s System) begun(dev DevNo) (int, error) {
	fields, err := s.numbers(dev, "inflight")
	if err != nil {
		return 0, err
	}
	if len(fields) != 2 {
		return 0, fmt.Errorf("what is in flight on device %v: %w", dev, fs.ErrInvalid)
	}
	return strconv.Atoi(fields[1])
}

// completed are the counters in the file stat that grow at each completion of
// what is no read: of writes, and in newer kernels of discards and flushes
// (Documentation/block/stat.rst).
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
