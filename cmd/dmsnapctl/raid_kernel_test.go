//go:build linux && kernel

package main

// Rescue of a RAID: a repair is tried on clones of its members.

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// modprobe loads a module, even if the kernel's modules are not in
// /lib/modules.
func modprobe(t *testing.T, name string) {
	t.Helper()
	shell(t, `release=$(uname -r) root=/
if [ -d "/usr/lib/uml/modules/$release" ]; then
	root=$2; mkdir -p "$root/lib/modules"; ln -s "/usr/lib/uml/modules/$release" "$root/lib/modules/"
fi
modprobe -d "$root" "$1"`, name, t.TempDir())
}

// stopOthers is shell that stops the arrays that udev has assembled by itself, of
// whatever it saw members on.
const stopOthers = settled + `
for md in /sys/block/md*/md; do
	test ! -e "$md" || { name=${md%/md}; mdadm --quiet --stop "/dev/${name##*/}" || true; }
done
`

// TestARepairIsTriedOnClones: an array runs on clones of its members, even if
// one is lost. It is repaired and written to, and the members do not change.
func TestARepairIsTriedOnClones(t *testing.T) {
	disks := testDisks(t)[:3]
	modprobe(t, "raid456")
	const array, used = "/dev/md9", 24 << 20
	for _, disk := range disks {
		writeAt(t, disk, 0, make([]byte, used))
	}
	dir := t.TempDir()
	mount := filepath.Join(dir, "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(mount, unix.MNT_DETACH)
		shell(t, stopOthers+`shift; blockdev --setrw "$@"; for d; do dd if=/dev/zero of="$d" bs=1M count=24 conv=fsync status=none; done`,
			append([]string{array}, disks...)...)
	})
	shell(t, `array=$1 mount=$2; shift 2
mdadm --quiet --create "$array" --level=5 --raid-devices=3 --size=20M --metadata=1.2 --run --assume-clean "$@"
mkfs.ext4 -q "$array"; mount "$array" "$mount"; echo precious > "$mount/file"; umount "$mount"
mdadm --quiet --stop "$array"; blockdev --setro "$@"
`+stopOthers, append([]string{array, mount}, disks...)...)
	sums := func() (out string) {
		for _, disk := range disks {
			out += fmt.Sprintf("%x ", sha256.Sum256(readAt(t, disk, used)))
		}
		return out
	}
	before := sums()

	for try, members := range [][]string{{"m0", "m1", "m2"}, {"m0", "m2"}} { // the second time without one
		for i, disk := range disks {
			dmsnapctl(t, exitFine, "clone", fmt.Sprintf("m%d", i), "--base", disk, "--store-dir", dir, "--yes")
		}
		var nodes []string
		for _, m := range members {
			nodes = append(nodes, "/dev/mapper/"+m)
		}
		out := shell(t, stopOthers+`array=$1 mount=$2; shift 2
mdadm --quiet --assemble --run "$array" "$@"
mount "$array" "$mount"; cat "$mount/file"; echo changed > "$mount/file"; umount "$mount"
e2fsck -fy "$array" >&2 || test $? -eq 1; debugfs -R "cat file" "$array"
mdadm --quiet --stop "$array"
`+stopOthers, append([]string{array, mount}, nodes...)...)
		if !strings.Contains(out, "precious\n") || !strings.Contains(out, "changed\n") {
			t.Errorf("try %d: the array on clones shows %s", try+1, out)
		}
		dmsnapctl(t, exitFine, "remove", "m0", "m1", "m2", "--delete-store", "--yes")
		if after := sums(); after != before {
			t.Errorf("try %d: the members changed: %s, before %s", try+1, after, before)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.cow")); err != nil || len(left) > 0 {
		t.Errorf("stores are left: %v, %v", left, err)
	}
}
