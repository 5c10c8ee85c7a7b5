package monitor

// Metrics of snapshots as data: families of values, in no particular format.

import (
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Family is one metric for all snapshots. All are gauges; sizes are in bytes,
// times in seconds.
type Family struct {
	Name, Help string
	Samples    []Sample
}

// Sample is one snapshot's value. State is set if the family has a sample for
// each state.
type Sample struct {
	Snapshot *dmctl.Snapshot
	State    string
	Value    float64
}

// states are all states of a snapshot.
var states = []string{
	table.Active.String(), table.Invalid.String(), table.Overflow.String(),
	table.MergeFailed.String(), dmctl.StateMerging, table.Unknown.String(),
}

// Metrics returns the families for a look at snapshots. A value that is not
// known has no sample. fullIn returns when a store will be full, 0 for never;
// it is nil if there is no forecast.
func Metrics(snapshots []dmctl.Snapshot, fullIn func(name string) time.Duration) []Family {
	figures := func(s *dmctl.Snapshot) bool { return s.HasFigures() }
	families := []Family{
		stateFamily(snapshots),
		family("store_allocated_bytes", "the allocated part of the store, including metadata", snapshots, figures,
			func(s *dmctl.Snapshot) float64 { return inBytes(s.Allocated) }),
		family("store_metadata_bytes", "what of that is metadata", snapshots, func(s *dmctl.Snapshot) bool { return s.HasMetadata },
			func(s *dmctl.Snapshot) float64 { return inBytes(s.Metadata) }),
		family("store_size_bytes", "the size of the COW device", snapshots, figures,
			func(s *dmctl.Snapshot) float64 { return inBytes(s.Total) }),
	}
	if fullIn == nil {
		return families
	}
	return append(families, family("store_full_in_seconds", "when the store will be full at the present rate; no value where it does not fill up", snapshots,
		func(s *dmctl.Snapshot) bool { return fullIn(s.Name) > 0 },
		func(s *dmctl.Snapshot) float64 { return fullIn(s.Name).Seconds() }))
}

func stateFamily(snapshots []dmctl.Snapshot) Family {
	f := Family{Name: "snapshot_state", Help: "1 for the state that the snapshot is in"}
	for i := range snapshots {
		for _, state := range states {
			value := 0.0
			if snapshots[i].State == state {
				value = 1
			}
			f.Samples = append(f.Samples, Sample{Snapshot: &snapshots[i], State: state, Value: value})
		}
	}
	return f
}

func family(name, help string, snapshots []dmctl.Snapshot, known func(*dmctl.Snapshot) bool, value func(*dmctl.Snapshot) float64) Family {
	f := Family{Name: name, Help: help}
	for i := range snapshots {
		if s := &snapshots[i]; known(s) {
			f.Samples = append(f.Samples, Sample{Snapshot: s, Value: value(s)})
		}
	}
	return f
}

func inBytes(s cow.Sectors) float64 { return float64(uint64(s) * cow.SectorSize) }
