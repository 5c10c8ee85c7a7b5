package gate

// The output of `dmsetup targets`: one registered target per line, name and
// version ("snapshot         v1.16.0").

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Names of the targets that the kernel module dm-snapshot registers. Each has
// its own version; that of SnapshotTarget decides about the leak fix.
const (
	SnapshotTarget = "snapshot"
	OriginTarget   = "snapshot-origin"
	MergeTarget    = "snapshot-merge"
)

// IsSnapshotTarget reports whether a target is one of dm-snapshot's.
func IsSnapshotTarget(name string) bool { return HasStore(name) || name == OriginTarget }

// HasStore reports whether a target is one of dm-snapshot's that read and write
// a COW store.
func HasStore(name string) bool { return name == SnapshotTarget || name == MergeTarget }

// ErrNotRegistered means that a list of targets lacks the target "snapshot".
var ErrNotRegistered = errors.New(`the target "snapshot" is not among the registered targets`)

// maxTargets bounds the number of lines; kernels have about forty targets.
const maxTargets = 4096

// ParseTargets reads the output of `dmsetup targets` and returns versions by
// target. It skips lines that list no target (a warning that got mixed in).
// Errors are: no target at all, an unreadable version of a dm-snapshot target,
// and two versions of one target.
func ParseTargets(r io.Reader) (map[string]Version, error) {
	targets := make(map[string]Version)
	lines := bufio.NewScanner(r)
	number := 0
	for lines.Scan() {
		if number++; number > maxTargets {
			return nil, fmt.Errorf("list of targets has more than %d lines: no output of 'dmsetup targets'", maxTargets)
		}
		name, version, err := parseTarget(lines.Text())
		if name == "" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list of targets, line %d: %w", number, err)
		}
		if earlier, twice := targets[name]; twice && earlier != version {
			return nil, fmt.Errorf("list of targets, line %d: target %s has version %v here and %v above", number, name, version, earlier)
		}
		targets[name] = version
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the list of targets, line %d: %w", number+1, err)
	}
	if len(targets) == 0 {
		return nil, errors.New("list of targets has none: want the output of 'dmsetup targets', lines such as \"snapshot v1.16.0\"")
	}
	return targets, nil
}

// parseTarget returns an empty name for a line that lists no target. An
// unreadable version is an error only for a target of dm-snapshot.
func parseTarget(line string) (name string, v Version, err error) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return "", Version{}, nil
	}
	ours := IsSnapshotTarget(fields[0])
	if len(fields) != 2 {
		if ours {
			return fields[0], Version{}, fmt.Errorf("%s is not a target and its version", excerpt(line))
		}
		return "", Version{}, nil
	}
	v, err = ParseVersion(fields[1])
	if err != nil && !ours {
		return "", Version{}, nil
	}
	return fields[0], v, err
}
