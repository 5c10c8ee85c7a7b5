//go:build linux && kernel

package main

// Tests beside a udev that works. It makes the nodes, and scans each new device,
// which is busy meanwhile.

import (
	"fmt"
	"os"
	"testing"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"
)

func udevRuns() bool {
	_, err := os.Stat("/run/udev/control")
	return err == nil
}

// settled is a line of shell that waits until udev has processed all events. Debian
// 12's udevadm sometimes fails when udev answers too early: a broken pipe.
const settled = "{ test ! -e /run/udev/control || for try in 1 2 3; do ! udevadm settle --timeout=120 || break; done; }"

// settle waits until udev has processed all events, or for as long as that command
// does.
func settle(t *testing.T) {
	t.Helper()
	if udevRuns() {
		shell(t, settled)
	}
}

// addNode returns the node of a mapped device in /dev/mapper, which it makes unless
// udev does.
func addNode(t *testing.T, name string) (node string) {
	t.Helper()
	node = "/dev/mapper/" + name
	if udevRuns() {
		settle(t)
		return node
	}
	info, err := devmapper.InfoByName(name)
	if err == nil {
		err = unix.Mknod(node, unix.S_IFBLK|0o600, int(info.DevNo))
	}
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// removeNode removes the node of a device that was removed, if it has one: udev does,
// but not before it hears of the removal.
func removeNode(t *testing.T, name string) {
	t.Helper()
	settle(t)
	if !udevRuns() {
		_ = os.Remove("/dev/mapper/" + name)
	}
}

// makersOfNodes adds to an environment that LVM and dmsetup make the nodes, unless
// udev runs: two makers of nodes get in each other's way.
func makersOfNodes(env []string) []string {
	if udevRuns() {
		return env
	}
	return append(env, "DM_DISABLE_UDEV=1")
}

// lvmConfiguration makes LVM work in a directory, without monitoring, on the
// devices of a filter.
func lvmConfiguration(dir, filter string) []byte {
	nodesByUdev := 0
	if udevRuns() {
		nodesByUdev = 1
	}
	return fmt.Appendf(nil, `activation { udev_sync=%[3]d udev_rules=%[3]d monitoring=0 }
devices { use_devicesfile=0 scan_lvs=0 dir="/dev" filter=[%[2]s,"r|.*|"] }
global { locking_dir="%[1]s" use_lvmpolld=0 }
backup { backup=0 archive=0 backup_dir="%[1]s" archive_dir="%[1]s" }
`, dir, filter, nodesByUdev)
}
