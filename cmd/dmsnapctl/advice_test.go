package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// TestAdviceOfStatus: a snapshot in a bad state gets a command, the same in
// text and JSON. Snapshots that LVM made are left to LVM.
func TestAdviceOfStatus(t *testing.T) {
	const grow = "dmsnapctl grow s   # after enlarging its COW device 8:1"
	for _, tt := range []struct {
		change func(*dmtest.Machine)
		flags  string
		want   []string
	}{
		{func(*dmtest.Machine) {}, "", nil},
		{func(m *dmtest.Machine) { m.Find("s").Status = "1024/2048 8" }, "-w 50", []string{grow}},
		{func(m *dmtest.Machine) { m.Find("s").Status = "1024/2048 8" }, "-c 50", []string{grow}},
		{func(m *dmtest.Machine) { m.Find("s").Status = "Overflow" }, "", []string{grow}},
		{func(m *dmtest.Machine) { m.Find("s").Status = "Invalid" }, "", []string{"dmsnapctl verify 8:1   # see what its store still holds"}},
		{func(m *dmtest.Machine) { m.Find("s").Suspended = true }, "", []string{"dmsnapctl resume s   # continue its I/O"}},
		{func(m *dmtest.Machine) { m.Find("s").UUID, m.Find("s").Status = "LVM-x", "Overflow" }, "", nil},
		{func(m *dmtest.Machine) { m.Find("s").UUID, m.Find("s").Status = "", "Overflow" }, "", []string{strings.Replace(grow, "grow s", "grow s --force", 1)}},
	} {
		m := halfFull(t, "16/2048 8")
		tt.change(m)
		args := append([]string{"status"}, strings.Fields(tt.flags)...)
		var got []string
		text, _, _ := commanded(context.Background(), args...)
		for line := range strings.Lines(text) {
			if next, is := strings.CutPrefix(strings.TrimSpace(line), "next: "); is {
				got = append(got, next)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", m.Find("s").Status, args, diff)
		}
		var out snapshotsJSON
		stdout, _, _ := commanded(context.Background(), append(args, "--json")...)
		if err := json.Unmarshal([]byte(stdout), &out); err != nil {
			t.Fatal(err)
		}
		var same []string
		for _, a := range out.Advice {
			same = append(same, a.Command+"   # "+a.Why)
		}
		if diff := cmp.Diff(tt.want, same); diff != "" || out.Advice == nil {
			t.Errorf("JSON of %v (-want +got):\n%s", args, diff)
		}
	}
}

// TestAdviceOfMerges: a merge that another program started is left to that
// program.
func TestAdviceOfMerges(t *testing.T) {
	m := dmtest.New()
	onMachine(t, m)
	m.Devices = append(m.Devices, &dmtest.Device{
		Name: "vg-lv", UUID: "LVM-x", Dev: blockdev.DevNo{Major: 253, Minor: 70},
		Live:   table.Single(2048, table.SnapshotMerge{Origin: "8:0", COW: "8:1", Store: table.Persistent, ChunkSize: 8}),
		Status: "1024/2048 16",
	})
	if out := must(t, "status"); strings.Contains(out, "next:") {
		t.Errorf("advice on LVM's merge:\n%s", out)
	}
}

func TestColoursAreWanted(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"TERM": "xterm"}, true},
		{map[string]string{}, true},
		{map[string]string{"TERM": "dumb"}, false},
		{map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
	} {
		if got := wantsColor(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: %v", tt.env, got)
		}
	}
}
