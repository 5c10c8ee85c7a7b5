package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// Clones on the command line, on an in-memory machine: those that fail are
// reported by name, and the others are done.
func TestClonesOnTheCommandLine(t *testing.T) {
	m := dmtest.New()
	m.Files["/img"] = &dmtest.File{Bytes: 1 << 20}
	onMachine(t, m)
	must(t, "clone", "s", "t", "a b", "--base", "/img", "--store-dir", "/stores", "--yes")
	var list snapshotsJSON
	if err := json.Unmarshal([]byte(must(t, "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	for _, s := range list.Snapshots {
		if s.Kind != "clone" || s.Base != "/img" || s.Store != "/stores/"+s.Name+".cow" {
			t.Errorf("%+v", s)
		}
	}
	m.Find("t").Mounted = "/mnt"
	stdout, stderr, code := commanded(context.Background(), "remove", "s", "t", "a b", "--delete-store", "--yes", "--json")
	var said planJSON
	if err := json.Unmarshal([]byte(stdout), &said); err != nil || code != exitUnknown {
		t.Fatalf("%v, exit code %d: %s", err, code, stdout)
	}
	if len(said.Names) != 3 || len(said.Failed) != 1 || said.Failed[0].Name != "t" || !strings.Contains(stderr, "mounted at /mnt") {
		t.Errorf("%s%s", stdout, stderr)
	}
	if m.Find("t") == nil || len(m.Devices) != 1 || len(m.Files) != 2 {
		t.Errorf("left: %s", m)
	}
	m.Find("t").Mounted = ""
	must(t, "reset", "t", "--yes")
	must(t, "remove", "t", "--yes")
	m.Files["/stores/t.cow"].Data = dmtest.EmptyStore(8) // as the kernel would write it
	must(t, "activate", "t", "--base", "/img", "--store", "/stores/t.cow", "--yes")
}

// Mistakes in the command line are reported before anything is opened.
func TestCloneUsage(t *testing.T) {
	for _, line := range []string{
		"clone", "clone s", "clone s --base /img", "clone s --base /img --store-dir /d --store /f",
		"clone s s --base /img --store-dir /d", "clone s t --base /img --store /f",
		"clone s --base /img --store-dir /d --chunk-size 0", "clone s --base /img --store-dir /d --chunk-size 5K",
		"clone s --base /img --store-dir /d --store-size 4K", "clone a/b --base /img --store-dir /d",
		"activate s --base /img --origin /dev/a", "activate s --base /img",
	} {
		onMachine(t, dmtest.New())
		if _, stderr, code := commanded(context.Background(), append(strings.Fields(line), "--yes")...); code != exitUsage {
			t.Errorf("%s: exit code %d: %s", line, code, stderr)
		}
	}
}
