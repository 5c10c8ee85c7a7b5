package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// halfFull is a machine with a snapshot s that is as full as its status says.
func halfFull(t *testing.T, status string) *dmtest.Machine {
	t.Helper()
	m := dmtest.New()
	onMachine(t, m)
	must(t, "create", "s", "--origin", "/dev/a", "--cow", "/dev/b", "--yes")
	m.Find("s").Status = status
	return m
}

func TestStatusForMonitoring(t *testing.T) {
	for _, tt := range []struct {
		status string
		flags  string
		code   int
		want   string
	}{
		{"1024/2048 8", "", exitFine, "DMSNAPCTL OK - 1 snapshot | 's'=50.0%;100;;0;100"},
		{"1024/2048 8", "-w 50", exitWarning, "DMSNAPCTL WARNING - 1 snapshot; s is active, 50.0% full | 's'=50.0%;50;;0;100"},
		{"1024/2048 8", "-w 40 -c 50", exitCritical, "DMSNAPCTL CRITICAL - 1 snapshot; s is active, 50.0% full | 's'=50.0%;40;50;0;100"},
		{"1024/2048 8", "-w 50.1 -c 50.2", exitFine, "DMSNAPCTL OK - 1 snapshot | 's'=50.0%;50.1;50.2;0;100"},
		{"Overflow", "", exitCritical, "DMSNAPCTL CRITICAL - 1 snapshot; s is overflow, - full"},
	} {
		halfFull(t, tt.status)
		args := append([]string{"status", "--format", "nagios"}, strings.Fields(tt.flags)...)
		stdout, stderr, code := commanded(context.Background(), args...)
		if code != tt.code || stdout != tt.want+"\n" {
			t.Errorf("%s %s: exit code %d and %q, want %d and %q; %s", tt.status, tt.flags, code, stdout, tt.code, tt.want, stderr)
		}
	}
}

// A plugin that fails says so on standard output, because nobody reads its
// errors.
func TestStatusForMonitoringFails(t *testing.T) {
	halfFull(t, "1024/2048 8")
	stdout, stderr, code := commanded(context.Background(), "status", "none|such", "--format", "nagios")
	if code != exitUnknown || !strings.HasPrefix(stdout, "DMSNAPCTL UNKNOWN - ") || !strings.Contains(stdout, "none/such") || strings.Contains(stdout, "|") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit code %d, %q; %s", code, stdout, stderr)
	}
	if stdout, _, _ := commanded(context.Background(), "status", "none"); stdout != "" {
		t.Errorf("without the format: %q", stdout)
	}
}

func TestStatusForPrometheus(t *testing.T) {
	halfFull(t, "1024/2048 8")
	if got := must(t, "status", "--format", "prometheus"); !strings.Contains(got, `dmsnapctl_store_allocated_bytes{name="s",origin="8:0"} 524288`+"\n") {
		t.Errorf("no figures in %s", got)
	}
	for _, args := range []string{"--format yaml", "--json --format nagios", "-w 101", "-c -1"} {
		if _, _, code := commanded(context.Background(), append([]string{"status"}, strings.Fields(args)...)...); code != exitUsage {
			t.Errorf("%s: exit code %d, want %d", args, code, exitUsage)
		}
	}
}

// Merges of LVM and dmsetup no longer have a snapshot device: the device that
// is merged into is listed as the snapshot.
func TestStatusShowsOthersMerges(t *testing.T) {
	m := dmtest.New()
	onMachine(t, m)
	m.Devices = append(m.Devices, &dmtest.Device{
		Name: "vg-lv", UUID: "LVM-x", Dev: blockdev.DevNo{Major: 253, Minor: 70},
		Live:   table.Single(2048, table.SnapshotMerge{Origin: "8:0", COW: "8:1", Store: table.Persistent, ChunkSize: 8}),
		Status: "1024/2048 16",
	})
	var got snapshotsJSON
	if err := json.Unmarshal([]byte(must(t, "status", "/dev/vg/lv", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Snapshots) != 1 || got.Snapshots[0].State != "merging" || got.Snapshots[0].UsedPercent == nil || *got.Snapshots[0].UsedPercent != 50 {
		t.Errorf("got %+v", got.Snapshots)
	}
}

// The kernel reports only that the snapshot is invalid; its store has the
// figures.
func TestInvalidSnapshotsShowTheirFill(t *testing.T) {
	m := halfFull(t, "Invalid")
	store := m.Disks["/dev/b"]
	store.Data = cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, 1, 2, 3), Invalid: true}.Bytes()
	for want, line := range map[int][]string{exitCritical: {"status", "s", "--json"}, exitFine: {"list", "--json"}} {
		stdout, stderr, code := commanded(context.Background(), line...)
		var got snapshotsJSON
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		if code != want || len(got.Snapshots) != 1 || got.Snapshots[0].AllocatedSectors == nil || *got.Snapshots[0].AllocatedSectors != 5*8 {
			t.Errorf("%s: exit code %d: %s %s", line, code, stdout, stderr)
		}
	}
}
