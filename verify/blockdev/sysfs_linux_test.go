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
		"sys/dev/block/7:1/loop/backing_file": "/" + strings.Repeat("long/", 3*attributeBytes/5) + "\n",
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
	mounts, err := s.Mounts()
	check("mounts", mounts, err, map[DevNo][]string{{8, 0}: {"/"}, {8, 1}: {"/mnt/a b"}})
	none, err := s.Holders(DevNo{9, 9})
	check("holders of nothing", none, err, []Neighbour(nil))
	check("node of a disk", s.NodePath(sda), nil, "/dev/sda")
	check("node of a mapped device", s.NodePath(lv), nil, "/dev/mapper/vg-lv")
	check("node of nothing", s.NodePath(DevNo{9, 9}), nil, "9:9")
	check("loop file", s.LoopFile(DevNo{7, 0}), nil, "/mnt/a b")
	check("a long path", s.LoopFile(DevNo{7, 1}), nil, "/"+strings.Repeat("long/", 3*attributeBytes/5))
	check("no loop file", s.LoopFile(sda), nil, "")
	check("major", s.MappedMajor(), nil, uint32(253))
	check("read-only", []bool{s.IsReadOnly(sda), s.IsReadOnly(lv)}, nil, []bool{true, false})
}

func TestMountTable(t *testing.T) {
	s := machine(t, map[string]string{
		"proc/self/mountinfo": "22 1 8:0 / / rw - ext4 /dev/sda rw\n" +
			"23 22 0:40 /@home /home rw,relatime shared:1 master:2 - btrfs /dev/sdb rw,subvol=/@home\n" +
			`24 22 0:41 / /mnt/a\040b rw - overlay ov rw,lowerdir=/l\134:1:/l\0542::/data,upperdir=/mnt/up\134\054per\040x,workdir=/w` + "\n" +
			"25 22 0:42 / /new rw - overlay none rw,lowerdir+=/a,lowerdir+=/b,datadir+=/c\n" +
			"26 22 0:43 / /t rw - tmpfs  rw\nnonsense\n",
		"sys/fs/btrfs/features/x":               "",
		"sys/fs/btrfs/1-2/devices/sda/dev":      "8:0\n",
		"sys/fs/btrfs/3-4/devices/sdb/dev":      "8:16\n",
		"sys/fs/btrfs/3-4/devices/sdc/dev":      "8:32\n",
		"sys/fs/btrfs/3-4/devices/missing/name": "",
	})
	mounts, err := s.MountTable()
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{22, DevNo{8, 0}, "/", "ext4", "/dev/sda", []string{"rw"}},
		{23, DevNo{0, 40}, "/home", "btrfs", "/dev/sdb", []string{"rw", "subvol=/@home"}},
		{24, DevNo{0, 41}, "/mnt/a b", "overlay", "ov", []string{"rw", `lowerdir=/l\:1:/l,2::/data`, `upperdir=/mnt/up\,per x`, "workdir=/w"}},
		{25, DevNo{0, 42}, "/new", "overlay", "none", []string{"rw", "lowerdir+=/a", "lowerdir+=/b", "datadir+=/c"}},
		{26, DevNo{0, 43}, "/t", "tmpfs", "", []string{"rw"}},
	}
	if diff := cmp.Diff(want, mounts); diff != "" {
		t.Fatal(diff)
	}
	upper, lower := mounts[2].Layers()
	if diff := cmp.Diff([]string{"/mnt/up,per x", "/l:1", "/l,2", "/data"}, append([]string{upper}, lower...)); diff != "" {
		t.Error(diff)
	}
	upper, lower = mounts[3].Layers()
	if diff := cmp.Diff([]string{"", "/a", "/b", "/c"}, append([]string{upper}, lower...)); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		dev  DevNo
		want []DevNo
	}{{DevNo{8, 32}, []DevNo{{8, 16}, {8, 32}}}, {DevNo{8, 48}, []DevNo{{8, 48}}}} {
		if got, err := s.BtrfsDevices(tt.dev); err != nil || !cmp.Equal(got, tt.want) {
			t.Errorf("the btrfs of %v has %v, %v", tt.dev, got, err)
		}
	}
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
