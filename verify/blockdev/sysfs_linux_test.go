package blockdev

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machine makes a tree of sysfs and procfs files; names that end in a slash
// are directories.
func machine(t *testing.T, files map[string]string) System {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return System{Root: root}
}

func TestSystem(t *testing.T) {
	s := machine(t, map[string]string{
		"sys/dev/block/8:0/dev":               "8:0\n",
		"sys/dev/block/8:0/uevent":            "MAJOR=8\nMINOR=0\nDEVNAME=sda\n",
		"sys/dev/block/8:0/ro":                "1\n",
		"sys/dev/block/8:0/holders/dm-3/dev":  "253:3\n",
		"sys/dev/block/8:0/sda1/dev":          "8:1\n",
		"sys/dev/block/8:0/sda1/partition":    "1\n",
		"sys/dev/block/8:0/queue/x":           "",
		"sys/dev/block/253:3/dm/name":         "vg-lv\n",
		"sys/dev/block/253:3/slaves/sda/dev":  "8:0\n",
		"sys/dev/block/7:0/loop/backing_file": "/mnt/a b\n",
		"proc/devices":                        "Character devices:\n 10 misc\n\nBlock devices:\n  7 loop\n253 device-mapper\n",
		"proc/swaps":                          "Filename Type Size Used Priority\n/swapfile file 1 0 -2\n",
		"proc/self/mountinfo": "22 1 8:0 / / rw - ext4 /dev/sda rw\n" +
			"23 22 8:1 / /mnt/a\\040b rw shared:1 - ext4 /dev/sda1 rw\n",
	})
	sda, lv := DevNo{8, 0}, DevNo{253, 3}
	check := func(what string, got any, err error, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", what, err, diff)
		}
	}
	holders, err := s.Holders(sda)
	check("holders", holders, err, []Neighbour{{"dm-3", lv}})
	slaves, err := s.Slaves(lv)
	check("slaves", slaves, err, []Neighbour{{"sda", sda}})
	parts, err := s.Parts(sda)
	check("partitions", parts, err, []Neighbour{{"sda1", DevNo{8, 1}}})
	mounts, err := s.Mounts(DevNo{8, 1})
	check("mounts", mounts, err, []string{"/mnt/a b"})
	none, err := s.Holders(DevNo{9, 9})
	check("holders of nothing", none, err, []Neighbour(nil))
	check("node of a disk", s.NodePath(sda), nil, "/dev/sda")
	check("node of a mapped device", s.NodePath(lv), nil, "/dev/mapper/vg-lv")
	check("node of nothing", s.NodePath(DevNo{9, 9}), nil, "9:9")
	check("loop file", s.LoopFile(DevNo{7, 0}), nil, "/mnt/a b")
	check("no loop file", s.LoopFile(sda), nil, "")
	check("major", s.MappedMajor(), nil, uint32(253))
	check("read-only", []bool{s.IsReadOnly(sda), s.IsReadOnly(lv)}, nil, []bool{true, false})
}

func TestWholeDisk(t *testing.T) {
	s := machine(t, map[string]string{
		"sys/devices/sda/dev":            "8:0\n",
		"sys/devices/sda/sda1/dev":       "8:1\n",
		"sys/devices/sda/sda1/partition": "1\n",
		"sys/dev/block/":                 "",
	})
	for no, dir := range map[string]string{"8:0": "sda", "8:1": "sda/sda1"} {
		if err := os.Symlink(filepath.Join(s.Root, "sys/devices", dir), filepath.Join(s.Root, "sys/dev/block", no)); err != nil {
			t.Fatal(err)
		}
	}
	if disk, ok := s.WholeDisk(DevNo{8, 1}); !ok || disk != (DevNo{8, 0}) {
		t.Errorf("the disk of 8:1 is %v, %v", disk, ok)
	}
	if disk, ok := s.WholeDisk(DevNo{8, 0}); ok {
		t.Errorf("8:0 is part of %v", disk)
	}
}

func TestParseBlkid(t *testing.T) {
	got := parseBlkid("DEVNAME=/dev/x\nUUID=1-2\nTYPE=ext4\nUSAGE=filesystem\nPTTYPE=dos\n")
	if diff := cmp.Diff([]Signature{{Type: "ext4"}, {Type: "dos"}}, got); diff != "" {
		t.Error(diff)
	}
}
