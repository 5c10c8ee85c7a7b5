// Names of devices and stores, in all forms that users know.

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// nodesDir is the directory of mapped devices' nodes; tests replace it.
var nodesDir = filepath.Clean(blockdev.MappedNodes)

// storeNamed is the path of a store given as NAME, /dev/mapper/NAME, VG/LV or
// /dev/VG/LV. If that is a snapshot's name, it is the path of its COW device. Any
// other path is returned unchanged.
func storeNamed(ctx context.Context, s string) string {
	info, err := os.Stat(s)
	if err == nil && info.Mode().Type() != os.ModeDevice { // a file, or what cannot be opened anyway
		return s
	}
	name := dmctl.MappedName(s)
	if strings.Contains(name, "/") { // a path of other devices
		return s
	}
	if store := storeOfSnapshot(ctx, name); store != "" {
		return store
	}
	if strings.HasPrefix(s, nodesDir+"/") {
		return s
	}
	if node := filepath.Join(nodesDir, name+devices.VolumeStoreSuffix); isThere(node) { // LVM's
		return node
	}
	return deviceNamed(s)
}

// judgedNamed is storeNamed for commands that judge a device: the path of a
// snapshot itself is kept, so that it is not taken for its store.
func judgedNamed(ctx context.Context, s string) string {
	if strings.HasPrefix(s, nodesDir+"/") {
		return s
	}
	return storeNamed(ctx, s)
}

// storeOfSnapshot is the COW device of the snapshot with this name; "" if there
// is none, or device mapper is not available.
func storeOfSnapshot(ctx context.Context, name string) string {
	ctl, err := openController()
	if err != nil {
		return ""
	}
	defer ctl.Close() // only read from
	s, err := ctl.SnapshotNamed(ctx, name)
	if err != nil {
		return ""
	}
	return s.COW
}

// deviceNamed is the path of a device given as NAME, VG/LV or /dev/VG/LV. A path,
// or a name of no mapped device, is returned unchanged.
func deviceNamed(s string) string {
	if s == "" || isThere(s) {
		return s
	}
	name := dmctl.MappedName(s)
	if node := filepath.Join(nodesDir, name); !strings.Contains(name, "/") && isThere(node) {
		return node
	}
	return s
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// byName replaces names by paths in the flags that name devices before action
// runs; storeArg does the same for arguments. The store of a clone is not among
// them: it may be a new file.
func byName(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		devices := []string{"origin", "to", "content", "cow", "base", "device", "log", "upper"}
		switch c.Command.Name {
		case "reclaim": // makes the file that --to names
			devices = []string{"origin"}
		case "explore", "state": // their --origin and --cow are regions of the log's device
			devices = []string{"base", "log", "upper"}
		}
		if err := nameFlags(c, deviceNamed, devices...); err != nil {
			return err
		}
		if err := nameFlags(c, func(s string) string { return storeNamed(c.Context, s) }, "against", "data"); err != nil {
			return err
		}
		return action(c)
	}
}

// nameFlags replaces the values of flags that are set.
func nameFlags(c *cli.Context, path func(string) string, flags ...string) error {
	for _, flag := range flags {
		if hasFlag(c, flag) && c.IsSet(flag) {
			if err := c.Set(flag, path(c.String(flag))); err != nil {
				return err
			}
		}
	}
	return nil
}

// storeArg is the path of the store that argument i names.
func storeArg(c *cli.Context, i int) string { return storeNamed(c.Context, c.Args().Get(i)) }
