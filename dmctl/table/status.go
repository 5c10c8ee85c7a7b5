package table

// Status lines of snapshot and snapshot-merge.

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// State is the state in a snapshot's status line.
type State uint8

const (
	Active      State = iota // the numbers are valid
	Invalid                  // the store is full or broken; the snapshot is lost
	Overflow                 // no room for a write through the snapshot (store PO)
	MergeFailed              // a merge hit an error and stopped
	Unknown                  // the kernel does not say
)

// The kernel's words (drivers/md/dm-snap.c: snapshot_status).
var stateWords = [...]string{Invalid: "Invalid", Overflow: "Overflow", MergeFailed: "Merge failed", Unknown: "Unknown"}

// String returns the state in lower case, with a hyphen for a space.
func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case Invalid:
		return "invalid"
	case Overflow:
		return "overflow"
	case MergeFailed:
		return "merge-failed"
	default:
		return "unknown"
	}
}

// SnapshotStatus is a status line. The numbers are 0 unless State is Active.
type SnapshotStatus struct {
	State            State
	Allocated, Total cow.Sectors
	Metadata         cow.Sectors
	HasMetadata      bool // old kernels do not print it; the first version that does is not known
}

// Empty reports whether the store holds no exceptions. For a merge, that means
// it is done.
func (s SnapshotStatus) Empty() bool {
	return s.State == Active && s.HasMetadata && s.Allocated == s.Metadata
}

// UsedPercent returns how much of the store is allocated, or 0 if that is not
// known.
func (s SnapshotStatus) UsedPercent() float64 {
	if s.Total == 0 {
		return 0
	}
	return 100 * float64(s.Allocated) / float64(s.Total)
}

// String returns the line as the kernel prints it.
func (s SnapshotStatus) String() string {
	if s.State != Active {
		return stateWords[min(s.State, Unknown)]
	}
	line := fmt.Sprintf("%d/%d", s.Allocated, s.Total)
	if s.HasMetadata {
		line += fmt.Sprintf(" %d", s.Metadata)
	}
	return line
}

// ParseSnapshotStatus reads the status of a snapshot or snapshot-merge:
// "allocated/total metadata" in sectors, "allocated/total" on old kernels, or a
// word for its state.
func ParseSnapshotStatus(params string) (SnapshotStatus, error) {
	params = strings.TrimSpace(params)
	for state, word := range stateWords {
		if word != "" && params == word {
			return SnapshotStatus{State: State(state)}, nil
		}
	}
	numbers, metadata, hasMetadata := strings.Cut(params, " ")
	allocated, total, ok := strings.Cut(numbers, "/")
	s := SnapshotStatus{HasMetadata: hasMetadata}
	fields := []struct {
		text string
		into *cow.Sectors
	}{{allocated, &s.Allocated}, {total, &s.Total}, {metadata, &s.Metadata}}
	if !hasMetadata {
		fields = fields[:2]
	}
	for _, f := range fields {
		n, err := strconv.ParseUint(f.text, 10, 64)
		if err != nil || f.text[0] == '+' {
			ok = false
		}
		*f.into = cow.Sectors(n)
	}
	if !ok {
		return SnapshotStatus{}, fmt.Errorf("snapshot status %q: want ALLOCATED/TOTAL METADATA, Invalid, Overflow, Merge failed or Unknown", params)
	}
	return s, nil
}
