package installed

import "github.com/dmsnapctl/dmsnapctl/dmctl/gate"

const (
	oldRelease = "6.1.0-9-amd64"
	newRelease = "6.1.0-47-amd64"
)

// debian has an old leaky kernel and a new fixed one, on a merged system.
var debian = map[string]string{
	"lib": "-> usr/lib",
	"usr/lib/modules/" + oldRelease + "/kernel/drivers/md/dm-snapshot.ko": "@amd64-leaky.ko",
	"usr/lib/modules/" + oldRelease + "/modules.dep":                      "kernel/drivers/md/dm-snapshot.ko: kernel/drivers/md/dm-mod.ko\n",
	"usr/lib/modules/" + newRelease + "/kernel/drivers/md/dm-snapshot.ko": "@amd64.ko",
	"usr/lib/modules/" + newRelease + "/modules.dep": "kernel/fs/ext4/ext4.ko:\n" +
		"kernel/drivers/md/dm-other.ko: kernel/drivers/md/dm-snapshot.ko\nkernel/drivers/md/dm-snapshot.ko: kernel/drivers/md/dm-mod.ko\n",
	"boot/vmlinuz-" + oldRelease: "image",
	"boot/vmlinuz-" + newRelease: "image",
}

var (
	fixed = gate.Version{Major: 1, Minor: 16}
	leaky = gate.Version{Major: 1, Minor: 11, Patch: 1}
)
