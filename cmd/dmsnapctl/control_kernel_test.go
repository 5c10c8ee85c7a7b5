// The commands of the controller on a real kernel: exit codes and JSON.

//go:build linux && kernel

package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// dmsnapctl runs the program and checks its exit code.
func dmsnapctl(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), append([]string{"dmsnapctl"}, args...), streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != want {
		t.Fatalf("%v: exit code %d, want %d: %s%s", args, code, want, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func writeAt(t *testing.T, path string, off int64, data []byte) {
	t.Helper()
	f, err := blockdev.OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, off); err != nil {
		t.Fatal(err)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

func readAt(t *testing.T, path string, n int) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// statusOutput is what the contract promises of status.
type statusOutput struct {
	Schema    string           `json:"schema"`
	Snapshots []statusSnapshot `json:"snapshots"`
}

type statusSnapshot struct {
	Name       string  `json:"name"`
	State      string  `json:"state"`
	Origin     string  `json:"origin"`
	COW        string  `json:"cow"`
	Persistent bool    `json:"persistent"`
	Chunk      uint64  `json:"chunk_sectors"`
	Allocated  uint64  `json:"allocated_sectors"`
	Total      uint64  `json:"total_sectors"`
	Metadata   uint64  `json:"metadata_sectors"`
	Used       float64 `json:"used_percent"`
}

// A snapshot's life on the command line.
func TestControlOnTheCommandLine(t *testing.T) {
	const mib = 1 << 20
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	origin, cow := disks[2], disks[3]
	writeAt(t, cow, 0, make([]byte, mib))
	writeAt(t, origin, 0, bytes.Repeat([]byte{1}, mib))
	create := []string{"create", "cli", "--origin", origin, "--cow", cow, "--chunk-size", "4K"}

	dmsnapctl(t, exitUsage, create...) // without --yes, and no terminal to ask on
	plan, _ := dmsnapctl(t, exitFine, append(create, "--dry-run")...)
	if !strings.Contains(plan, "snapshot-origin of "+origin) {
		t.Errorf("the plan: %s", plan)
	}
	dmsnapctl(t, exitFine, "status", "--quiet")
	dmsnapctl(t, exitUnknown, "status", "cli")
	dmsnapctl(t, exitFine, append(create, "--yes")...)
	_, why := dmsnapctl(t, exitUnknown, append(create, "--yes")...)
	if !strings.Contains(why, "a device of this name exists") {
		t.Errorf("creating it twice: %s", why)
	}

	var s statusOutput
	if code, _ := runJSON(t, &s, "status", "--json"); code != exitFine {
		t.Errorf("status: exit code %d", code)
	}
	want := statusOutput{Schema: "dmsnapctl.status/1", Snapshots: []statusSnapshot{{
		Name: "cli", State: "active", Origin: origin, COW: cow,
		Persistent: true, Chunk: 8, Allocated: 16, Metadata: 16, Total: 256 * mib / 512, Used: 100 * 16 / (256 * mib / 512.0),
	}}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	dmsnapctl(t, exitWarning, "status", "cli", "--threshold", "0")

	writeAt(t, "/dev/mapper/cli-origin", 0, bytes.Repeat([]byte{2}, mib))
	dmsnapctl(t, exitFine, "rename", "cli", "cli2", "--yes")
	dmsnapctl(t, exitFine, "suspend", "cli2", "--yes")
	dmsnapctl(t, exitFine, "resume", "cli2", "--yes")
	dmsnapctl(t, exitFine, "grow", "cli2", "--yes")
	dmsnapctl(t, exitFine, "remove", "cli2", "--yes")
	dmsnapctl(t, exitFine, "activate", "cli", "--origin", origin, "--cow", cow, "--yes")
	_, why = dmsnapctl(t, exitUnknown, "merge", "cli", "--yes")
	if !strings.Contains(why, "--origin-unchanged") {
		t.Errorf("merging an activated snapshot: %s", why)
	}
	dmsnapctl(t, exitFine, "merge", "cli", "--yes", "--origin-unchanged")
	if got := readAt(t, origin, mib); slices.Max(got) != 1 || slices.Min(got) != 1 {
		t.Errorf("after the merge the origin holds %d to %d", slices.Min(got), slices.Max(got))
	}
	dmsnapctl(t, exitFine, "recover", "--yes")
	if list, _ := dmsnapctl(t, exitFine, "list", "--json"); !strings.Contains(list, `"snapshots":[]`) {
		t.Errorf("left behind: %s", list)
	}
}

// A store that is too small for what is written to the origin becomes invalid,
// which is critical.
func TestStatusOfAnInvalidSnapshot(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	const chunk = 16 << 20
	dmsnapctl(t, exitFine, "create", "full", "--origin", disks[2], "--cow", disks[3], "--chunk-size", "16M", "--force", "--yes")
	defer dmsnapctl(t, exitFine, "remove", "full", "--yes")
	for off := int64(0); off < 256<<20; off += chunk { // 16 chunks; the store has room for 14
		writeAt(t, "/dev/mapper/full-origin", off, []byte{1})
	}
	out, _ := dmsnapctl(t, exitCritical, "status", "full", "--json")
	if !strings.Contains(out, `"state":"invalid"`) {
		t.Errorf("status: %s", out)
	}
}

// Requests for devices that do not exist or are not snapshots, and what the
// errors say.
func TestControlRefusals(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	dmsnapctl(t, exitFine, "create", "r", "--origin", disks[2], "--cow", disks[3], "--force", "--yes")
	defer dmsnapctl(t, exitFine, "remove", "r", "--yes")
	list := "(see `dmsnapctl list`)"
	for _, tt := range []struct {
		code int
		args string
		want string
	}{
		{exitUnknown, "status nosuch", "find snapshot nosuch: no snapshot of this name " + list},
		{exitUnknown, "status r-origin", "find snapshot r-origin: the device is not a snapshot " + list},
		{exitUnknown, "remove nosuch --yes", "remove nosuch: no snapshot of this name " + list},
		{exitUnknown, "merge nosuch --yes", list},
		{exitUnknown, "grow r-origin --yes", list},
		{exitUnknown, "remove a/b --yes", "remove a-b: no snapshot of this name " + list},
		{exitUsage, "rename r r-dmsnap-real --yes", "choose another one"},
		{exitUsage, "merge .. --yes", "it names a directory"},
		{exitUnknown, "create r --yes --origin " + disks[2] + " --cow " + disks[1], "exists (choose another name"},
		{exitUnknown, "create n --yes --origin " + disks[1] + " --cow " + disks[1], "name another device for the store)\n"},
		{exitUnknown, "create n --yes --origin " + disks[2] + " --cow " + disks[3], "is the COW device of snapshot r"},
	} {
		if _, why := dmsnapctl(t, tt.code, strings.Fields(tt.args)...); !strings.Contains(why, tt.want) || len(why) > 200 {
			t.Errorf("%s: %s, want %s", tt.args, why, tt.want)
		}
	}
}

func TestMonitorInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"dmsnapctl", "monitor"}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != exitInterrupted || !strings.Contains(errs.String(), "can be started again") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
