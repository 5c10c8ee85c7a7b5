package monitor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

func TestMetrics(t *testing.T) {
	full := filled("a", "1", "active", 10)
	full.Metadata, full.HasMetadata = 16, true
	lost := dmctl.Snapshot{Name: "lost", State: "invalid"}
	got := map[string]float64{}
	for _, f := range Metrics([]dmctl.Snapshot{full, lost}, func(name string) time.Duration {
		return map[string]time.Duration{"a": 90 * time.Second}[name]
	}) {
		for _, s := range f.Samples {
			if s.State == "" || s.Value != 0 {
				got[f.Name+" "+s.Snapshot.Name+" "+s.State] = s.Value
			}
		}
	}
	want := map[string]float64{
		"snapshot_state a active":     1,
		"snapshot_state lost invalid": 1,
		"store_allocated_bytes a ":    51200,
		"store_metadata_bytes a ":     8192,
		"store_size_bytes a ":         512000,
		"store_full_in_seconds a ":    90,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
