package main

// Scenes for examples that need a kernel with device mapper: what must be there
// so that the names in an example exist. They are lines of bash, which run in a
// directory of their own. The program is in the PATH. Paths of mounts and
// directories are taken below that directory; /dev/vdb, /dev/vdc and /dev/sdb are
// scratch disks, and vg is a volume group.

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// scene is what an example runs in.
type scene struct {
	// before makes what the example names.
	before string
	// shown is a condition that comes true while the example runs, for one that
	// continues until stop ends it. $pid is its process.
	shown, stop string
	// gone says that the snapshot may be gone before the example's last command.
	gone bool
	// after checks what the example did.
	after string
}

// Pieces of scenes.
const (
	// A file system on /dev/vdb and a snapshot of it, with some chunks copied.
	snapOnDisks = `
		mkfs.ext4 -q /dev/vdb 4M
		dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --yes
		dd if=/dev/urandom of=/dev/mapper/snap-origin bs=4k count=5 seek=50 conv=fsync status=none`
	// The same, with the changes in a file.
	snapInFile = `
		mkfs.ext4 -q /dev/vdb 4M
		truncate -s 1M cow.img
		dmsnapctl create snap --origin /dev/vdb --cow cow.img --yes`
	// An idle store of an image, in files.
	storeInFile = `
		truncate -s 4M disk.img; mkfs.ext4 -q disk.img; truncate -s 1M cow.img
		dmsnapctl create snap --origin disk.img --cow cow.img --yes
		dd if=/dev/urandom of=/dev/mapper/snap-origin bs=4k count=5 seek=500 conv=fsync status=none
		dmsnapctl remove snap --yes`
	base   = `truncate -s 4M debian.img; mkfs.ext4 -q debian.img; mkdir -p srv/vms tmp`
	vm1    = base + `; dmsnapctl clone vm1 --base debian.img --store-dir srv/vms --yes`
	allVMs = base + `; dmsnapctl clone vm1 vm2 vm3 --base debian.img --store-dir srv/vms --yes`
	// A volume group, on a sparse file.
	group = `
		truncate -s 20G pv.img
		pv=$(losetup -f --show pv.img)
		pvcreate -qq -y $pv; vgcreate -qq vg $pv`
	home = group + `
		lvcreate -qq -y -n home -L 8m vg; mkfs.ext4 -q /dev/vg/home
		mkdir -p home mnt/snapshot mnt/snap backup
		mount /dev/vg/home home; echo text >home/file; sync`
	lvmSnap = group + `
		lvcreate -qq -y -n home -L 8m vg; lvcreate -qq -s -n snap -L 4m vg/home`
	// A run that was killed, and its snapshot.
	killed = base + `
		dmsnapctl with-snapshot --origin /dev/vdb --cow /dev/vdc -- sh -c 'touch began; exec sleep 1000' & pid=$!
		until test -e began; do kill -0 $pid; sleep 0.05; done
		kill -KILL $pid; wait $pid || true
		! ` + noDevices
	workloadScript = `
		printf '%s\n' '#!/bin/sh' 'exec dd if=/dev/urandom of="$DMSNAPCTL_DEVICE" bs=4k count=9 oflag=direct conv=fsync status=none' >workload
		chmod +x workload`
)

const noDevices = `test "$(dmsetup ls)" = 'No devices found'`

// kernelScenes are the scenes, by example.
var kernelScenes = map[string]scene{
	"dmsnapctl verify --lvm vg/snap": {before: lvmSnap},

	"dmsnapctl mount cow.img --origin disk.img /mnt/snapshot": {
		before: storeInFile + "; mkdir -p mnt/snapshot",
		shown:  "test -s mnt/snapshot/image", stop: "umount mnt/snapshot",
	},
	"dmsnapctl mount cow.img --origin disk.img /mnt/snapshot -- e2fsck -fn /mnt/snapshot/image": {
		before: storeInFile + "; mkdir -p mnt/snapshot", after: "test ! -e mnt/snapshot/image",
	},

	"dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --dry-run":                                  {after: noDevices},
	"dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --yes":                                      {after: "test -b /dev/mapper/snap-origin"},
	"dmsnapctl create snap --origin /dev/vdb --cow /dev/vdc --chunk-size 64K --yes":                     {after: `dmsetup table snap | grep " 128$"`},
	"dmsnapctl clone vm1 --base debian.img --store-dir /srv/vms --yes":                                  {before: base, after: "test -s srv/vms/vm1.cow"},
	"dmsnapctl clone vm1 vm2 vm3 --base debian.img --store-dir /srv/vms --yes":                          {before: base, after: "test -b /dev/mapper/vm3"},
	"dmsnapctl clone ci --base debian.img --store-dir /tmp --transient --yes":                           {before: base, after: `test -z "$(ls tmp)"; test -b /dev/mapper/ci`},
	"blockdev --setro /dev/sdb && dmsnapctl clone rescue --base /dev/sdb --store /mnt/rescue.cow --yes": {before: "mkdir mnt", after: "test -s mnt/rescue.cow"},
	"umount /mnt/vm1 && dmsnapctl reset vm1 --yes": {
		before: vm1 + "; mkdir -p mnt/vm1; mount /dev/mapper/vm1 mnt/vm1; touch mnt/vm1/mine",
		after:  "mount /dev/mapper/vm1 mnt/vm1; test ! -e mnt/vm1/mine",
	},
	"dmsnapctl reset vm1 vm2 vm3 --yes": {before: allVMs, after: "test -b /dev/mapper/vm2"},

	"dmsnapctl status": {before: lvmSnap},
	"dmsnapctl status vg/snap --json | jq .snapshots[0].used_percent":   {before: lvmSnap},
	`dmsnapctl status -w 90 --quiet || echo "look after the snapshots"`: {before: lvmSnap},
	"dmsnapctl status --format nagios -w 80 -c 95":                      {before: lvmSnap},
	"dmsnapctl list": {before: snapOnDisks},
	"dmsnapctl list --json | jq -r .snapshots[].name": {before: snapOnDisks},

	"dmsnapctl remove snap --dry-run":                   {before: snapOnDisks, after: "test -b /dev/mapper/snap"},
	"dmsnapctl remove snap --yes":                       {before: snapOnDisks, after: noDevices},
	"dmsnapctl remove vm1 vm2 vm3 --delete-store --yes": {before: allVMs, after: noDevices + `; test -z "$(ls srv/vms)"`},
	"dmsnapctl activate snap --origin /dev/vdb --cow /dev/vdc --dry-run": {
		before: snapOnDisks + "; dmsnapctl remove snap --yes", after: noDevices,
	},
	"dmsnapctl activate snap --origin /dev/vdb --cow /dev/vdc --yes": {
		before: snapOnDisks + "; dmsnapctl remove snap --yes", after: "test -b /dev/mapper/snap",
	},
	"dmsnapctl activate vm1 --base debian.img --store /srv/vms/vm1.cow --yes": {
		before: vm1 + "; echo mine | dd of=/dev/mapper/vm1 conv=notrunc,fsync status=none; dmsnapctl remove vm1 --yes",
		after:  `test "$(head -c 4 /dev/mapper/vm1)" = mine`,
	},

	"dmsnapctl merge snap --dry-run": {before: snapOnDisks, after: "test -b /dev/mapper/snap"},
	"dmsnapctl merge snap --yes":     {before: snapOnDisks, after: noDevices},
	"dmsnapctl merge snap --background --yes; dmsnapctl status snap": {
		before: snapOnDisks, gone: true, after: "until " + noDevices + "; do sleep 0.1; done",
	},
	"lvextend -L +1G vg/cow && dmsnapctl grow snap --yes": {
		before: group + `
			lvcreate -qq -y -n cow -L 4m vg; mkfs.ext4 -q /dev/vdb 4M
			dmsnapctl create snap --origin /dev/vdb --cow /dev/vg/cow --yes`,
		after: `dmsetup status snap | grep "/$((1028 << 11)) "`,
	},
	"truncate -s 2G cow.img && dmsnapctl grow snap --yes": {
		before: snapInFile, after: `dmsetup status snap | grep "/$((2 << 21)) "`,
	},
	"dmsnapctl grow snap --by 1G --yes": {before: snapInFile, after: "test $(stat -c %s cow.img) -gt 1048576"},
	"dmsnapctl grow live-rw --force --yes": {
		before: `
			truncate -s 4M base.img; truncate -s 1M overlay
			base=$(losetup -r -f --show base.img) overlay=$(losetup -f --show overlay)
			dmsetup create live-rw --table "0 8192 snapshot $base $overlay P 8"
			truncate -s 2M overlay`,
		after: `dmsetup status live-rw | grep /4096`,
	},
	"dmsnapctl grow cow.img --by 1G --yes": {before: storeInFile, after: "test $(stat -c %s cow.img) -gt 1048576"},

	"dmsnapctl rename snap monday --yes":                          {before: snapOnDisks, after: "test -b /dev/mapper/monday"},
	"dmsnapctl suspend snap --yes && dmsnapctl resume snap --yes": {before: snapOnDisks, after: `dmsetup info snap | grep "State: *ACTIVE"`},
	"dmsnapctl resume snap --yes":                                 {before: snapOnDisks + "; dmsnapctl suspend snap --yes", after: `dmsetup info snap | grep "State: *ACTIVE"`},
	"dmsnapctl recover --dry-run":                                 {before: killed, after: "! " + noDevices + "; dmsnapctl recover --yes"},
	"dmsnapctl recover --yes":                                     {before: killed, after: noDevices},
	"dmsnapctl recover --store-dir /srv/vms --yes":                {before: vm1 + "; dmsnapctl remove vm1 --yes"},

	"dmsnapctl with-snapshot --origin vg/home --mount /mnt/snapshot -- restic backup /mnt/snapshot": {
		before: home + "; restic -q init", after: "restic ls latest | grep /file",
	},
	"dmsnapctl with-snapshot --origin vg/home --size 10G --mount /mnt/snap -- borg create /backup::home-{now} /mnt/snap": {
		before: home + "; borg init -e none backup", after: "borg list backup | grep ^home-",
	},
	`dmsnapctl with-snapshot --origin /dev/mapper/data --cow /dev/vdc -- sh -c 'qemu-img convert -O qcow2 "$DMSNAPCTL_SNAPSHOT" /backup/data'`: {
		before: `mkdir backup; dmsetup create data --table "0 8192 linear /dev/vdb 0"; dmsetup mknodes`,
		after:  "qemu-img compare backup/data /dev/mapper/data",
	},

	"dmsnapctl monitor --threshold 80": {before: snapOnDisks, shown: "grep -q snap said", stop: "kill $pid"},
	`dmsnapctl monitor snap --exec 'logger -t snapshot "$DMSNAPCTL_MESSAGE"'`: {
		before: snapOnDisks, shown: "grep -q -- '-t snapshot' logged", stop: "kill $pid",
	},
	"dmsnapctl monitor --grow-at 80 --grow-by 1G": {
		before: snapInFile, shown: `dd if=/dev/urandom of=/dev/mapper/snap-origin bs=64k count=15 conv=fsync status=none; test $(stat -c %s cow.img) -gt 1048576`, stop: "kill $pid",
	},
	"dmsnapctl monitor --json --textfile /var/lib/node_exporter/dmsnapctl.prom": {
		before: snapOnDisks, shown: `grep -q '^dmsnapctl_snapshot_state.*snap' dmsnapctl.prom`, stop: "kill $pid",
	},

	"dmsnapctl crash record --device /dev/vdb --log /dev/vdc --yes -- ./workload": {
		before: workloadScript, after: noDevices + "; dmsnapctl crash state --log /dev/vdc --state 9 --out state.img; test -s state.img",
	},
	"dmsnapctl crash record --device /dev/vdb --log /dev/vdc --upper /dev/sdb --setup ./stack --yes -- ./upper-workload": {
		before: `
			printf '%s\n' '#!/bin/sh' 'dmsetup create half --table "0 4096 linear $DMSNAPCTL_DEVICE 0" && echo /dev/mapper/half' >stack
			printf '%s\n' '#!/bin/sh' 'exec dd if=/dev/urandom of="$DMSNAPCTL_UPPER" bs=4k count=9 oflag=direct conv=fsync status=none' >upper-workload
			chmod +x stack upper-workload`,
		after: noDevices + "; dmsnapctl crash state --log /dev/sdb --state 9 --out state.img; test -s state.img",
	},
	"dmsnapctl crash mark frozen": {
		before: `
			dmsnapctl crash record --device /dev/vdb --log /dev/vdc --yes -- sh -c 'touch began; until test -e enough; do sleep 0.05; done' & pid=$!
			until test -e began; do kill -0 $pid; sleep 0.05; done`,
		after: `touch enough; wait $pid; dd if=/dev/vdc bs=64k count=1 status=none | tr -d '\0' | grep -aq frozen; ` + noDevices,
	},
	"dmsnapctl crash record --device /dev/vdb --log /dev/vdc --dry-run -- ./workload": {before: workloadScript, after: noDevices},
}

// TestEveryExampleIsRun by one of two tests: TestExamplesOfTheHelpTexts, or
// TestExamplesOnAKernel in a scene.
func TestEveryExampleIsRun(t *testing.T) {
	var here []string
	found := map[string]int{}
	everyCommand(func(name string, c *cli.Command) {
		for _, example := range examplesOf(c) {
			found[name]++
			if needsKernel(name, example) {
				here = append(here, example)
			}
		}
	})
	if found["dmsnapctl"] < 4 || found[crashPage] < 3 {
		t.Errorf("%d examples of dmsnapctl(8) and %d of dmsnap-crash(7): some are not found any more", found["dmsnapctl"], found[crashPage])
	}
	for _, example := range here {
		if _, ok := kernelScenes[example]; !ok {
			t.Errorf("%q is not run: it needs a kernel, and has no scene", example)
		}
	}
	for example := range kernelScenes {
		if !slices.Contains(here, example) {
			t.Errorf("%q has a scene, and no help text has it", example)
		}
	}
	for example, s := range kernelScenes {
		if (s.shown == "") != (s.stop == "") {
			t.Errorf("%q: what ends it is not known, or when: %q, %q", example, s.shown, strings.TrimSpace(s.stop))
		}
	}
}
