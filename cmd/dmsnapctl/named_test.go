package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestStoresByName: every command accepts the names of a logical volume's
// snapshot for its store, and the name of a logical volume for an origin.
func TestStoresByName(t *testing.T) {
	onMachine(t, dmtest.New())
	for _, tt := range []struct {
		code int
		line string
	}{
		{exitWarning, "verify STORE"}, {exitWarning, "verify STORE --origin ORIGIN"},
		{exitFine, "map STORE -o out.svg"},
		{exitFine, "size STORE --origin ORIGIN"},
		{exitFine, "delta STORE"}, {exitFine, "delta STORE --against STORE --origin ORIGIN"},
		{exitFine, "extract STORE --origin ORIGIN -o out"},
		{exitFine, "dump STORE -o out"},
		{exitFine, "repair STORE --dry-run --origin ORIGIN"},
		{exitFine, "reclaim STORE --yes"}, {exitFine, "reclaim STORE --to out --yes"},
		{exitFine, "revalidate STORE --origin-unchanged --dry-run"},
		{exitFine, "apply STORE --to ORIGIN --yes"},
		{exitFine, "restore dump STORE --dry-run"}, {exitFine, "restore dump new --data STORE --size 160K --yes"},
		{exitFine, "rescue STORE --origin ORIGIN"},
	} {
		for _, name := range []string{"v-g/snap", "/dev/v-g/snap"} {
			t.Run(tt.line+" "+name, func(t *testing.T) {
				b := newToolbox(t)
				b.run(exitFine, "dump store -o dump")
				nodesDir = t.TempDir()
				t.Cleanup(func() { nodesDir = "/dev/mapper" })
				for from, to := range map[string]string{"store": "v--g-snap-cow", "origin": "v--g-vol"} {
					if err := os.Rename(from, filepath.Join(nodesDir, to)); err != nil {
						t.Fatal(err)
					}
				}
				b.run(tt.code, strings.NewReplacer("STORE", name, "ORIGIN", "v-g/vol").Replace(tt.line))
			})
		}
	}
}

// TestDevicesByName: commands that make devices accept the names of logical
// volumes for those below, and say what they opened.
func TestDevicesByName(t *testing.T) {
	for line, steps := range map[string]string{
		"create s --origin NAME --cow /dev/b":                                      "snapshot s of NODE",
		"create s --origin /dev/a --cow NAME":                                      "chunks 0 and 1 of NODE",
		"activate s --origin NAME --cow /dev/b":                                    "snapshot s of NODE",
		"activate s --origin /dev/a --cow NAME":                                    "from NODE",
		"activate s --base NAME --store /dev/b":                                    "NODE",
		"clone s --base NAME --store /dev/c":                                       "NODE",
		"with-snapshot --origin /dev/a --cow NAME -- true":                         "NODE",
		"crash record --device NAME --log /dev/c -- true":                          "log-writes of NODE",
		"crash record --device /dev/a --log NAME -- true":                          "its log on NODE",
		"crash record --device /dev/a --log /dev/c --setup x --upper NAME -- true": "zero the start of NODE",
		"create s --origin /dev/a --cow NAME-there-is-none":                        "",
	} {
		for _, name := range []string{"v-g/vol", "/dev/v-g/vol", "v--g-vol"} {
			t.Run(line+" "+name, func(t *testing.T) {
				m := dmtest.New()
				onMachine(t, m)
				t.Chdir(t.TempDir())
				nodesDir = t.TempDir()
				t.Cleanup(func() { nodesDir = "/dev/mapper" })
				node := filepath.Join(nodesDir, "v--g-vol")
				if err := os.WriteFile(node, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				m.Disks[node] = &dmtest.Disk{Number: blockdev.DevNo{Major: 8, Minor: 9}, Size: 1 << 20, BlockSize: 512}
				if strings.HasPrefix(line, "clone") || strings.Contains(line, "--base") {
					m.Disks[node].ReadOnly = true
				}
				if strings.HasPrefix(line, "activate") {
					m.Disks["/dev/b"].Data = dmtest.EmptyStore(8)
					m.Disks[node].Data = dmtest.EmptyStore(8)
				}
				args := strings.Fields(strings.ReplaceAll(line, "NAME", name))
				at := max(1, slices.Index(args, "--"))
				if strings.HasPrefix(line, "crash") {
					at = 2
				}
				stdout, stderr, code := commanded(context.Background(), slices.Insert(args, at, "--dry-run")...)
				if steps == "" {
					if code != exitUnknown || !strings.Contains(stderr, name+"-there-is-none: no such file") {
						t.Errorf("%d: %s", code, stderr)
					}
					return
				}
				if want := strings.ReplaceAll(steps, "NODE", node); code != exitFine || !strings.Contains(stdout, want) {
					t.Errorf("%d: %s\n%swant %s", code, stderr, stdout, want)
				}
			})
		}
	}
}

// TestLogsByName: a recorded log, and the device before it, may be logical
// volumes. Regions of the logged device are no names.
func TestLogsByName(t *testing.T) {
	fixtures := filepath.Join("..", "..", "testdata", "crash")
	log, base := cowtest.Unpack(t, filepath.Join(fixtures, "leaky.log.gz")), cowtest.Unpack(t, filepath.Join(fixtures, "base.img.gz"))
	t.Chdir(t.TempDir())
	nodesDir = t.TempDir()
	t.Cleanup(func() { nodesDir = "/dev/mapper" })
	for name, data := range map[string][]byte{"v--g-log": log, "v--g-base": base, "0+16384": nil} {
		if err := os.WriteFile(filepath.Join(nodesDir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]int{
		"crash explore --log v-g/log --base v-g/base --origin 0+16384 --cow 16384+32768 --reorder 0":           exitWarning,
		"crash explore --log /dev/v-g/log --base /dev/v-g/base --origin 0+16384 --cow 16384+32768 --reorder 0": exitWarning,
		"crash state --log v-g/log --base v-g/base --state 3 --out state.img":                                  exitFine,
		"crash state --log v-g/none --state 3 --out other.img":                                                 exitUnknown,
	} {
		if out, complaint, code := commanded(context.Background(), strings.Fields(line)...); code != want {
			t.Errorf("%s: %d, want %d\n%s%s", line, code, want, out, complaint)
		}
	}
}

// TestNamesThatArePaths: a name of one of our snapshots means its store. A
// file of that name takes precedence.
func TestNamesThatArePaths(t *testing.T) {
	onMachine(t, dmtest.New())
	t.Chdir(t.TempDir())
	must(t, "create", "snap", "--origin", "/dev/a", "--cow", "/dev/b", "--yes")
	ctx := context.Background()
	const store = "8:1" // the path of /dev/b, on this machine
	for name, want := range map[string]string{
		"snap": store, "/dev/mapper/snap": store, "other": "other", "/dev/mapper/other": "/dev/mapper/other", "snap-origin": "snap-origin",
		"/dev/sdz": "/dev/sdz", "dir/file.img": "dir/file.img", "vg/lv": "vg/lv", "": "",
	} {
		if got := storeNamed(ctx, name); got != want {
			t.Errorf("%q is the store %q, want %q", name, got, want)
		}
	}
	if got := judgedNamed(ctx, "/dev/mapper/snap"); got != "/dev/mapper/snap" {
		t.Errorf("judged is %q", got)
	}
	if got := judgedNamed(ctx, "snap"); got != store {
		t.Errorf("judged is %q", got)
	}
	if err := os.WriteFile("snap", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := storeNamed(ctx, "snap"); got != "snap" {
		t.Errorf("a file here is the store %q", got)
	}
}
