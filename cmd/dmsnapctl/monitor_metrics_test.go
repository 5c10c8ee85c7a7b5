package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

// The metrics of a monitor are a contract with alerts and dashboards, which
// are tested with this text.
func TestMonitorMetrics(t *testing.T) {
	snapshots := []dmctl.Snapshot{
		{Name: "before", Origin: "/dev/vdb", State: "active", Allocated: 1 << 20, Total: 1 << 21, Metadata: 64, HasMetadata: true},
		{Name: "lost", Origin: "/dev/vdd", State: "invalid"},
	}
	fullIn := func(name string) time.Duration { return map[string]time.Duration{"before": 2 * time.Hour}[name] }
	trouble := &troubles{count: map[string]uint64{textfileTrouble: 2}}
	var got bytes.Buffer
	if err := writeMonitorMetrics(&got, snapshots, fullIn, trouble, time.Unix(1_764_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../testdata/monitor.prom")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
