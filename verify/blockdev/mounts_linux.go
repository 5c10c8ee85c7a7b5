package blockdev

// Mounts, and the devices and directories below a mounted file system.

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Mount is a mount in this mount namespace.
type Mount struct {
	ID      int
	Dev     DevNo // of the file system; major 0 means no device
	Place   string
	Type    string   // of the file system
	Source  string   // what is mounted, as the file system names it
	Options []string // of the file system, "key" or "key=value"
}

// MountTable returns all mounts in /proc/self/mountinfo (proc(5)).
func (s System) MountTable() ([]Mount, error) {
	f, err := os.Open(s.path("proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var mounts []Mount
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if m, ok := parseMount(lines.Text()); ok {
			mounts = append(mounts, m)
		}
	}
	return mounts, lines.Err()
}

// parseMount parses a line: ID, parent, device, root, place, the mount's
// options, any number of optional fields, a dash, type, source, the file
// system's options.
func parseMount(line string) (Mount, bool) {
	front, back, _ := strings.Cut(line, " - ")
	left, right := strings.Fields(front), strings.Split(back, " ")
	if len(left) < 6 || len(right) < 2 {
		return Mount{}, false
	}
	id, err := strconv.Atoi(left[0])
	if err != nil {
		return Mount{}, false
	}
	dev, err := ParseDevNo(left[2])
	m := Mount{ID: id, Dev: dev, Place: unescape(left[4]), Type: right[0], Source: unescape(right[1])}
	if len(right) > 2 {
		for option := range strings.SplitSeq(right[2], ",") { // a comma in a value is escaped
			m.Options = append(m.Options, unescape(option))
		}
	}
	return m, err == nil
}

// Mounts returns where the file systems on devices are mounted in this mount
// namespace, and "[swap]" for a swap device. It reads the kernel's lists once
// for all devices.
func (s System) Mounts() (map[DevNo][]string, error) {
	mounts, err := s.MountTable()
	if err != nil {
		return nil, fmt.Errorf("read the mounts: %w", err)
	}
	places := map[DevNo][]string{}
	for _, m := range mounts {
		places[m.Dev] = append(places[m.Dev], m.Place)
	}
	for _, dev := range s.swaps() {
		places[dev] = append(places[dev], "[swap]")
	}
	return places, nil
}

// Layers returns the directories of an overlay: the writable one, or "" if
// there is none, and those below it.
func (m Mount) Layers() (upper string, lower []string) {
	for _, o := range m.Options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "upperdir":
			upper = withoutBackslashes(value)
		case "lowerdir":
			for _, dir := range splitEscaped(value, ':') {
				if dir != "" { // "::" precedes data-only layers
					lower = append(lower, withoutBackslashes(dir))
				}
			}
		case "lowerdir+", "datadir+":
			lower = append(lower, withoutBackslashes(value))
		}
	}
	return upper, lower
}

// splitEscaped splits s at each separator that is not escaped by a backslash.
// It keeps the backslashes.
func splitEscaped(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func withoutBackslashes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// BtrfsDevices returns all devices of the btrfs on dev, or only dev if the
// kernel knows none.
func (s System) BtrfsDevices(dev DevNo) ([]DevNo, error) {
	dirs, err := filepath.Glob(s.path("sys/fs/btrfs/*/devices"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		var all []DevNo
		found := false
		for _, e := range entries {
			no, err := s.devNo(filepath.Join(dir, e.Name()))
			if err != nil {
				continue // a missing device
			}
			all = append(all, no)
			found = found || no == dev
		}
		if found {
			return all, nil
		}
	}
	return []DevNo{dev}, nil
}

// swaps returns the swap devices. procfs lists these by path.
func (s System) swaps() (devs []DevNo) {
	text, err := os.ReadFile(s.path("proc/swaps"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[1] != "partition" {
			continue
		}
		info, err := os.Stat(s.path(unescape(fields[0])))
		if err == nil && info.Mode()&fs.ModeDevice != 0 {
			devs = append(devs, devNoOf(info))
		}
	}
	return devs
}

// unescape decodes the kernel's \NNN (octal) in a path from procfs.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
