package host

// Momentary nodes, by which a device is opened or mounted by its number. A
// killed run may leave one.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// momentary begins the names of momentary nodes. The process ID and a number
// follow.
const momentary = ".dmsnapctl-"

// nodeTries is how often a momentary node is made until it stays: another
// process may take its maker for dead if their PID namespaces differ.
const nodeTries = 3

var lastMomentary atomic.Uint64

// withNode gives a device a node for a moment, even if it already has one.
func (h *Linux) withNode(dev blockdev.DevNo, use func(path string) error) error {
	for try := 1; ; try++ {
		path, err := h.mkMomentary(dev)
		if err != nil {
			return err
		}
		err = use(path)
		gone := os.Remove(path)
		if !errors.Is(gone, fs.ErrNotExist) {
			return errors.Join(err, gone)
		}
		if !errors.Is(err, fs.ErrNotExist) || try == nodeTries {
			return err
		}
	}
}

// mkMomentary makes a node under a name that is free: a killed run with the
// same process ID may have left one.
func (h *Linux) mkMomentary(dev blockdev.DevNo) (string, error) {
	for {
		path := filepath.Join(h.nodes, fmt.Sprintf("%s%d-%d", momentary, os.Getpid(), lastMomentary.Add(1)))
		if err := mknod(path, dev); !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}

func (h *Linux) LeftNodes() []devices.Name {
	var left []devices.Name
	entries, _ := os.ReadDir(h.nodes)
	for _, e := range entries {
		name, err := devices.ParseName(e.Name())
		if err == nil && e.Type() == fs.ModeDevice && isMomentary(name) && !makerLives(name) {
			left = append(left, name)
		}
	}
	return left
}

// isMomentary is true for the names of momentary nodes, also for those that
// earlier releases gave: PID-MAJOR-MINOR.
func isMomentary(name devices.Name) bool { return makerOf(name) > 0 }

// makerOf returns the process ID in a momentary node's name, otherwise 0.
func makerOf(name devices.Name) int {
	rest, ok := strings.CutPrefix(name.String(), momentary)
	id, _, numbered := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(id)
	if !ok || !numbered || err != nil {
		return 0
	}
	return pid
}

// makerLives is true for this process, too. What the kernel does not tell
// counts as alive.
func makerLives(name devices.Name) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", makerOf(name)))
	return !errors.Is(err, fs.ErrNotExist)
}

func mknod(path string, dev blockdev.DevNo) error {
	err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(dev.Major, dev.Minor)))
	if err != nil {
		return &fs.PathError{Op: "mknod", Path: path, Err: err}
	}
	return nil
}
