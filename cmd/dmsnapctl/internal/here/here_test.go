package here

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestLists(t *testing.T) {
	root := fstest.MapFS{}
	file := func(path, content string) { root[path] = &fstest.MapFile{Data: []byte(content + "\n")} }
	for device, m := range map[string]Mapped{
		"dm-0": {"vg-root", "LVM-abcd"}, "dm-1": {"vg-root-real", "LVM-abcd-real"},
		"dm-2": {"my--vg-my--snap", "LVM-efgh"}, "dm-3": {"my--vg-my--snap-cow", "LVM-efgh-cow"},
		"dm-4": {"snap", "DMSNAP-000000000000000000000000-8.16-snap"},
		"dm-5": {"snap-origin", "DMSNAP-000000000000000000000001-8.0-origin"},
		"dm-6": {"old", "DMSNAP-000000000000000000000002-8.32-active"},
	} {
		file("sys/class/block/"+device+"/dm/name", m.Name)
		file("sys/class/block/"+device+"/dm/uuid", m.UUID)
	}
	for device, size := range map[string]string{"sda": "100", "loop0": "0", "loop1": "8", "ram0": "8", "cciss!c0d0": "8"} {
		file("sys/class/block/"+device+"/size", size)
	}
	file("lib/modules/6.1.0/modules.dep", "")
	file("usr/lib/modules/6.1.0/modules.dep", "")
	file("usr/lib/modules/6.12.0/modules.dep", "")
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"snapshots", Snapshots(root), []string{"my-vg/my-snap", "old", "snap"}},
		{"devices", Devices(root), []string{"/dev/cciss/c0d0", "/dev/loop1", "/dev/mapper/my--vg-my--snap", "/dev/mapper/my--vg-my--snap-cow", "/dev/mapper/old", "/dev/mapper/snap", "/dev/mapper/snap-origin", "/dev/mapper/vg-root", "/dev/mapper/vg-root-real", "/dev/sda"}},
		{"volumes", Volumes(root), []string{"my-vg/my-snap", "vg/root"}},
		{"kernels", Kernels(root), []string{"6.1.0", "6.12.0"}},
		{"of an empty system", Devices(fstest.MapFS{}), nil},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.what, diff)
		}
	}
}
