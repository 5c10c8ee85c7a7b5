//go:build linux && kernel

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// sceneTools are what stands in for tools that have nothing to do with
// snapshots.
var sceneTools = map[string]string{"jq": exampleTools["jq"], "logger": `echo "$@" >>logged`}

// sceneCleared ends what an example has left, for the next one.
const sceneCleared = `
	cd /
	{ grep -o " $0/[^ ]*" /proc/self/mounts || true; } | tac | xargs -r umount
	for n in 1 2 3 4; do ` + settled + `; dmsetup remove_all; done; ` + settled + `; ` + noDevices + `
	losetup -D; rm -rf /dev/vg
	blockdev --setrw /dev/sdb
	for disk in /dev/vdb /dev/vdc /dev/sdb; do dd if=/dev/zero of=$disk bs=1M count=4 conv=fsync status=none; done`

// TestExamplesOnAKernel runs each example of the help texts that needs device
// mapper, in its scene.
func TestExamplesOnAKernel(t *testing.T) {
	env := sceneHost(t)
	var ran []string
	everyCommand(func(name string, c *cli.Command) {
		for _, example := range examplesOf(c) {
			if !needsKernel(name, example) || slices.Contains(ran, example) {
				continue
			}
			ran = append(ran, example)
			t.Run(example, func(t *testing.T) {
				dir := t.TempDir()
				script := kernelScenes[example].script(inScene.Replace(example))
				if code, said := bash(t, dir, append(env, "RESTIC_REPOSITORY="+dir+"/restic"), script); code != exitFine {
					t.Errorf("exit code %d\n%s", code, said)
				}
				if code, said := bash(t, dir, env, "set -ex\n"+strings.ReplaceAll(sceneCleared, "$0", dir)); code != exitFine {
					t.Fatalf("what the example left is not cleared: exit code %d\n%s", code, said)
				}
			})
		}
	})
	if len(ran) != len(kernelScenes) {
		t.Errorf("%d examples ran, and there are %d scenes", len(ran), len(kernelScenes))
	}
}

// inScene takes paths of an example below the directory where it runs.
var inScene = strings.NewReplacer(" /mnt/", " mnt/", " /srv/", " srv/", " /tmp ", " tmp ", " /backup", " backup",
	" /var/lib/node_exporter/", " ")

// script is what runs an example in its scene.
func (s scene) script(example string) string {
	run := "( " + example + " )"
	if s.gone {
		run += fmt.Sprintf(" || test $? = %d", exitUnknown)
	}
	if s.stop != "" {
		run = fmt.Sprintf("%s >said 2>&1 & pid=$!\nuntil { %s; }; do kill -0 $pid; sleep 0.1; done\n%s\nwait $pid", example, s.shown, s.stop)
	}
	return strings.Join([]string{"set -ex", s.before, run, s.after}, "\n")
}

// sceneHost makes the disks and tools that all scenes have, and returns the
// environment of examples.
func sceneHost(t *testing.T) []string {
	t.Helper()
	loadLoop(t)
	for i, name := range []string{"/dev/vdb", "/dev/vdc", "/dev/sdb"} {
		if _, err := os.Stat(name); err != nil {
			shell(t, `cp -a "$1" "$2"`, scratchDisks(t)[1+i], name)
			t.Cleanup(func() { os.Remove(name) })
		}
	}
	dir := t.TempDir()
	place(t, filepath.Join(dir, "lvm.conf"), lvmConfiguration(dir, `"a|^/dev/loop|"`), 0o600)
	env := exampleScripts(t, dir, sceneTools)
	path := slices.IndexFunc(env, func(word string) bool { return strings.HasPrefix(word, "PATH="+dir) })
	// A copy, not a link: the program starts itself again by its file's name.
	program := t.TempDir()
	shell(t, `cp -L "$1" "$2/dmsnapctl"`, programPath(t), program)
	return append(makersOfNodes(env), "PATH="+program+":"+strings.TrimPrefix(env[path], "PATH="), "LVM_SYSTEM_DIR="+dir,
		"LVM_SUPPRESS_FD_WARNINGS=1", "RESTIC_PASSWORD=x", "HOME="+dir, "BORG_BASE_DIR="+dir,
		"BORG_RELOCATED_REPO_ACCESS_IS_OK=yes", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
}
