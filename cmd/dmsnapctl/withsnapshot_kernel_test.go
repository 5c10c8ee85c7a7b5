//go:build linux && kernel

package main

// Snapshots that last as long as a command, of real file systems, and backup
// programs that read them.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"
)

// shell runs a script with arguments.
func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	out, err := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", script, args, err, out)
	}
	return string(out)
}

func unmountLater(t *testing.T, dir string) {
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// liveFS is a file system that is mounted read-write on an origin.
type liveFS struct {
	origin string   // as a user names it
	dir    string   // where it is mounted
	snap   string   // an empty directory
	with   []string // the command line up to COMMAND
}

// onMapped makes a file system on the mapped device vol.
func onMapped(t *testing.T, kind string) liveFS {
	t.Helper()
	disks := testDisks(t)
	writeAt(t, disks[1], 0, make([]byte, 1<<20))
	const half = 200 << 20 // xfs needs more than one disk has
	mapped(t, "vol", devmapper.LinearTable{Length: half, BackendDevice: disks[0]},
		devmapper.LinearTable{Start: half, Length: half, BackendDevice: disks[2]})
	t.Cleanup(func() {
		unmap(t, "vol")
		removeNode(t, "vol")
	})
	return liveOn(t, kind, addNode(t, "vol"), "--origin", "vol", "--cow", disks[1])
}

// inFile makes changes go to a file.
func (f liveFS) inFile(t *testing.T) liveFS {
	loadLoop(t)
	f.with = []string{"with-snapshot", "--origin", "vol", "--store-dir", filepath.Dir(f.snap), "--mount", f.snap, "--"}
	return f
}

// onLVM makes a file system on the logical volume v-g/vol.
func onLVM(t *testing.T, kind string) liveFS {
	t.Helper()
	disks, dir := testDisks(t), t.TempDir()
	place(t, filepath.Join(dir, "lvm.conf"), lvmConfiguration(dir, fmt.Sprintf(`"a|%s|","a|%s|"`, disks[2], disks[3])), 0o600)
	t.Setenv("LVM_SYSTEM_DIR", dir)
	for _, variable := range makersOfNodes(nil) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	size := map[string]string{"ext4": "160m", "xfs": "320m"}[kind] // the least for xfs is 300
	shell(t, "lvm pvcreate -qq -ff -y $1 $2; lvm vgcreate -qq v-g $1 $2; lvm lvcreate -qq -y -n vol -L $3 v-g", disks[2], disks[3], size)
	t.Cleanup(func() { shell(t, "lvm vgremove -qq -ff -y v-g; lvm pvremove -qq -ff -y $1 $2", disks[2], disks[3]) })
	return liveOn(t, kind, "/dev/v-g/vol", "--origin", "v-g/vol", "--size", "25%")
}

func liveOn(t *testing.T, kind, device string, with ...string) liveFS {
	t.Helper()
	f := liveFS{origin: device, dir: t.TempDir(), snap: t.TempDir()}
	f.with = append(append([]string{"with-snapshot"}, with...), "--mount", f.snap, "--")
	force := map[string]string{"ext4": "-F", "xfs": "-f"}[kind]
	shell(t, `mkfs.$2 -q $3 "$1"; mount -t $2 "$1" "$4"`, device, kind, force, f.dir)
	t.Cleanup(func() {
		if err := unix.Unmount(f.dir, 0); err != nil {
			t.Errorf("unmount the origin: %v", err)
		}
	})
	unmountLater(t, f.snap)
	return f
}

var liveCases = map[string]func(t *testing.T) liveFS{
	"ext4":                    func(t *testing.T) liveFS { return onMapped(t, "ext4") },
	"ext4, changes in a file": func(t *testing.T) liveFS { return onMapped(t, "ext4").inFile(t) },
	"xfs":                     func(t *testing.T) liveFS { return onMapped(t, "xfs") },
	"LVM, ext4":               func(t *testing.T) liveFS { return onLVM(t, "ext4") },
	"LVM, xfs":                func(t *testing.T) liveFS { return onLVM(t, "xfs") },
}

// nothingLeft checks that no snapshot, mount or intent is left.
func (f liveFS) nothingLeft(t *testing.T) {
	t.Helper()
	if list, _ := dmsnapctl(t, exitFine, "list", "--json"); !strings.Contains(list, `"snapshots":[]`) {
		t.Errorf("left behind: %s", list)
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), f.snap) {
		t.Errorf("%v: still mounted at %s", err, f.snap)
	}
	left, err := os.ReadDir("/run/dmsnapctl")
	left = slices.DeleteFunc(left, os.DirEntry.IsDir) // of notes
	if err == nil && len(left) > 0 {
		t.Errorf("intents are left: %v", left)
	}
	settle(t)
	info, err := devmapper.InfoByName("vol")
	if err == nil && info.OpenCount != 1 { // the mount
		t.Errorf("the origin is open %d times", info.OpenCount)
	}
}

// TestWithSnapshotOfLiveFileSystems: COMMAND sees the moment at which the
// snapshot was made, while the origin continues. Nothing is left behind, so
// that the next one can be made.
func TestWithSnapshotOfLiveFileSystems(t *testing.T) {
	for name, make := range liveCases {
		t.Run(name, func(t *testing.T) {
			f := make(t)
			const content = "before"
			if err := os.WriteFile(filepath.Join(f.dir, "file"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			script := `echo later > "$1/file"; echo new > "$1/new"; sync
cat "$DMSNAPCTL_MOUNT/file"; test ! -e "$DMSNAPCTL_MOUNT/new"; test -b "$DMSNAPCTL_SNAPSHOT"
if touch "$DMSNAPCTL_MOUNT/touched" 2>/dev/null; then echo writable; fi; rm "$1/new"`
			if out, _ := dmsnapctl(t, exitFine, append(f.with, "sh", "-ec", script, "sh", f.dir)...); out != content {
				t.Errorf("COMMAND saw %q", out)
			}
			f.nothingLeft(t)
			dmsnapctl(t, 9, append(f.with, "sh", "-c", "exit 9")...)
			f.nothingLeft(t)
		})
	}
}

// TestWithSnapshotKilled: recover cleans up what a SIGKILL leaves, and COMMAND
// got SIGTERM.
func TestWithSnapshotKilled(t *testing.T) {
	program := programPath(t)
	for name, make := range map[string]func(*testing.T) liveFS{"mapped": liveCases["ext4"], "LVM": liveCases["LVM, ext4"]} {
		t.Run(name, func(t *testing.T) {
			f := make(t)
			began := filepath.Join(t.TempDir(), "began")
			script := `trap 'echo terminated > "$1.end"; exit' TERM; touch "$1"; while :; do sleep 0.1; done`
			cmd := exec.Command(program, append(f.with, "sh", "-c", script, "sh", began)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			appears(t, began)
			dmsnapctl(t, exitFine, "recover", "--yes") // not if its process lives
			if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || !strings.Contains(string(mounts), f.snap) {
				t.Errorf("%v: not mounted at %s any more", err, f.snap)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			appears(t, began+".end")
			dmsnapctl(t, exitFine, "recover", "--yes")
			f.nothingLeft(t)
			dmsnapctl(t, exitFine, append(f.with, "test", "-d", f.snap+"/lost+found")...)
		})
	}
}

func appears(t *testing.T, path string) {
	t.Helper()
	for range 6000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not appear", path)
}

// TestWithSnapshotThatIsLost: more changes than fit in the store.
func TestWithSnapshotThatIsLost(t *testing.T) {
	f := onMapped(t, "ext4")
	disks := testDisks(t)
	small := mapped(t, "small", devmapper.LinearTable{Length: 1 << 20, BackendDevice: disks[1]})
	defer unmap(t, "small")
	shell(t, `dd if=/dev/urandom of="$1/data" bs=1M count=20 conv=fsync`, f.dir)
	_, why := dmsnapctl(t, exitUnknown, "with-snapshot", "--origin", "vol", "--cow", small, "--", "sh", "-c",
		`dd if=/dev/urandom of="$1/data" bs=1M count=20 conv=notrunc,fsync 2>&1`, "sh", f.dir)
	if !strings.Contains(why, "became invalid") {
		t.Errorf("it says %s", why)
	}
	f.nothingLeft(t)
}

// TestBackupPrograms: the examples of the help text, with repositories on a
// separate disk. What they restore is what the snapshot had shown.
func TestBackupPrograms(t *testing.T) {
	for name, script := range map[string]struct{ init, backup, restore string }{
		"restic": {
			`restic -q init`,
			`cd "$DMSNAPCTL_MOUNT"; restic -q --no-cache backup .`,
			`cd "$1"; restic -q --no-cache restore latest --target "$1"; restic -q --no-cache check --read-data`,
		},
		"borg": {
			`borg init -e none "$RESTIC_REPOSITORY"`,
			`cd "$DMSNAPCTL_MOUNT"; borg create "$RESTIC_REPOSITORY::one" .`,
			`cd "$1"; borg extract "$RESTIC_REPOSITORY::one"; borg check --verify-data "$RESTIC_REPOSITORY"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Fatalf("%v: install the package", err)
			}
			f := onLVM(t, "ext4")
			shell(t, `mkdir -p "$1/a/b"; dd if=/dev/urandom of="$1/a/b/big" bs=1M count=8 2>/dev/null; echo text > "$1/a/small"; ln -s small "$1/a/link"; sync`, f.dir)
			repository := filepath.Join(t.TempDir(), "repository")
			for k, v := range map[string]string{
				"RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": "x", "HOME": t.TempDir(), "BORG_BASE_DIR": t.TempDir(),
				"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
			} {
				t.Setenv(k, v)
			}
			shell(t, script.init)
			before, restored := t.TempDir(), t.TempDir()
			shell(t, `cp -a "$1/a" "$2"`, f.dir, before)
			dmsnapctl(t, exitFine, append(f.with, "sh", "-ec", `echo changed > "$1/a/small"; rm "$1/a/b/big"; sync; `+script.backup, "sh", f.dir)...)
			f.nothingLeft(t)
			shell(t, script.restore, restored)
			shell(t, `diff -r --no-dereference "$1/a" "$2/a"`, before, restored)
		})
	}
}

// TestStoresByLVMNames: LVM's snapshot, while it is active, by LVM's names, in
// every command that reads a store.
func TestStoresByLVMNames(t *testing.T) {
	f := onLVM(t, "ext4")
	shell(t, "lvm lvcreate -qq -s -n a-b -L 32m v-g/vol")
	t.Cleanup(func() { shell(t, "lvm lvremove -qq -y v-g/a-b") })
	shell(t, `dd if=/dev/urandom of="$1/big" bs=1M count=4 conv=fsync 2>/dev/null; sync`, f.dir)
	out := t.TempDir()
	for _, name := range []string{"v-g/a-b", "/dev/v-g/a-b"} {
		for _, line := range []string{
			"verify NAME", "map NAME -o DIR/map.svg", "size NAME --origin v-g/vol", "delta NAME --origin v-g/vol",
			"dump NAME -o DIR/dump", "status NAME",
		} {
			dmsnapctl(t, exitFine, strings.Fields(strings.NewReplacer("NAME", name, "DIR", out).Replace(line))...)
		}
		for _, line := range []string{
			"repair NAME --yes", "reclaim NAME --yes", "apply NAME --to v-g/vol --yes",
			"extract NAME --origin v-g/vol -o " + out + "/image", // the snapshot's device shows it
		} {
			if _, why := dmsnapctl(t, exitUnknown, strings.Fields(strings.ReplaceAll(line, "NAME", name))...); !strings.Contains(why, "in use") {
				t.Errorf("%s of a snapshot that is active: %s", line, why)
			}
		}
	}
}
