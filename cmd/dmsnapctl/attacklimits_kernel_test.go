//go:build linux && kernel

package main

// The program without descriptors, without memory, or without room in its
// directory in /run: it does all or nothing.

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/soak"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// limitVictim is a command, and what exists before it.
type limitVictim struct {
	name, command string
	scene         func(a limitAttack) // after the devices and files that all have
	writesRun     bool                // it writes to its directory in /run
}

func limitVictims(plain string) []limitVictim {
	const onVol = " --origin /dev/mapper/vol --cow /dev/mapper/cow0 --chunk-size 4K --yes"
	withS := func(a limitAttack) {
		a.does("create s --origin /dev/mapper/vol --cow /dev/mapper/cow1 --chunk-size 4K --force --yes")
		putAt(a.t, "/dev/mapper/vol", make([]byte, 256<<10), 0)
	}
	withStore := func(a limitAttack) {
		a.does("create n" + onVol)
		a.does("remove n --yes")
	}
	return []limitVictim{
		{name: "create", command: "create n" + onVol},
		{name: "create a second", command: "create n" + onVol, scene: withS},
		{name: "create on plain", command: "create n --origin " + plain + " --cow /dev/mapper/cow0 --chunk-size 4K --yes"},
		{name: "activate", command: "activate n --origin /dev/mapper/vol --cow /dev/mapper/cow0 --force --yes", scene: withStore},
		{name: "merge", command: "merge s --yes", scene: withS},
		{name: "remove", command: "remove s --yes", scene: withS},
		{name: "clone", command: "clone n --base base --store-dir stores --yes", writesRun: true},
		{name: "with-snapshot", command: "with-snapshot --origin /dev/mapper/vol --cow /dev/mapper/cow0 -- true", writesRun: true},
	}
}

// limitAttack is an attack on a victim.
type limitAttack struct {
	limitVictim
	t       *testing.T
	program string
	disks   []string
}

// does runs a command without limits, which must succeed.
func (a limitAttack) does(command string) string {
	a.t.Helper()
	out, _ := dmsnapctl(a.t, exitFine, strings.Fields(command)...)
	return out
}

// clear removes all devices and files, users before what they use.
func (a limitAttack) clear() {
	a.t.Helper()
	for range 8 {
		settle(a.t) // what udev scans is busy, and it makes links until then
		all, err := devmapper.List()
		if err != nil {
			a.t.Fatal(err)
		}
		if len(all) == 0 {
			break
		}
		for _, d := range all {
			_ = devmapper.Resume(d.Name) // it may not be suspended
			if devmapper.Remove(d.Name) == nil {
				removeNode(a.t, d.Name)
			}
		}
	}
	if loops(a.t) != "" {
		shell(a.t, "losetup -D")
	}
	if err := os.RemoveAll("stores"); err != nil {
		a.t.Fatal(err)
	}
}

// loops returns the files below loop devices.
func loops(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		if file, err := os.ReadFile(path); err == nil { // it may have been detached
			all = append(all, string(file))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// prepare makes the scene and returns its state, and what is on the empty COW
// device.
func (a limitAttack) prepare() (state, store string) {
	a.t.Helper()
	a.clear()
	if err := os.Mkdir("stores", 0o700); err != nil {
		a.t.Fatal(err)
	}
	putAt(a.t, a.disks[0], bytes.Repeat([]byte("base"), 1<<19), 0)
	putAt(a.t, a.disks[1], make([]byte, 2<<20), 0)
	for i, name := range []string{"vol", "cow0", "cow1"} {
		disk := devmapper.LinearTable{Length: 1 << 20, BackendDevice: a.disks[1], BackendOffset: uint64(max(i-1, 0)) << 20}
		if i == 0 {
			disk.Length, disk.BackendDevice = 2<<20, a.disks[0]
		}
		mapped(a.t, name, disk)
		addNode(a.t, name)
	}
	if a.scene != nil {
		a.scene(a)
	}
	return a.state(), a.shows("cow0")
}

var deviceNumbers = regexp.MustCompile(`\b[0-9]+:[0-9]+\b`)

// state is all that a command could leave behind: devices with their tables and
// states, nodes, loop devices, files, and what the devices show.
func (a limitAttack) state() string {
	a.t.Helper()
	settle(a.t)
	var b strings.Builder
	tables := strings.Split(deviceNumbers.ReplaceAllString(dmsetup(a.t, "table"), "DEVICE"), "\n")
	slices.Sort(tables)
	fmt.Fprintln(&b, strings.Join(tables, "\n"))
	all, err := devmapper.List()
	if err != nil {
		a.t.Fatal(err)
	}
	slices.SortFunc(all, func(x, y devmapper.ListItem) int { return strings.Compare(x.Name, y.Name) })
	for _, d := range all {
		info, err := devmapper.InfoByName(d.Name)
		if err != nil {
			a.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s suspended %v, a table waits %v\n", d.Name, info.Flags&unix.DM_SUSPEND_FLAG != 0, info.Flags&unix.DM_INACTIVE_PRESENT_FLAG != 0)
	}
	for _, dir := range []string{"/dev/mapper", "stores"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, f := range files {
			fmt.Fprintf(&b, "%s/%s\n", dir, f.Name())
		}
	}
	fmt.Fprint(&b, loops(a.t))
	for _, name := range []string{"vol", "n", "s"} {
		if _, err := os.Stat("/dev/mapper/" + name); err == nil {
			fmt.Fprintf(&b, "%s shows %s\n", name, a.shows(name))
		}
	}
	return b.String()
}

// shows is the checksum of the first MiB of a device, past the page cache.
func (a limitAttack) shows(name string) string {
	a.t.Helper()
	f, err := os.OpenFile("/dev/mapper/"+name, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	b := blockdev.AlignedBuffer(1 << 20)
	if _, err := f.ReadAt(b, 0); err != nil {
		a.t.Fatalf("%s: %v", name, err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// limitKind is a limit of the shell's ulimit or, without one, of /run.
type limitKind struct {
	flag  string
	value int
	// early says that Go may end the program at any time, in its own way.
	early bool
	run   string // options of the tmpfs on the program's directory in /run
}

func (k limitKind) String() string {
	if k.flag == "" {
		return "/run with " + k.run
	}
	return fmt.Sprintf("ulimit %s %d", k.flag, k.value)
}

func limitKinds(t *testing.T, program string) (all []limitKind) {
	for n := 3; n <= 40; n++ {
		all = append(all, limitKind{flag: "-n", value: n})
	}
	// In KiB. docs/cli.md says below what Go may fail early.
	for _, memory := range []struct {
		flag        string
		early, step int
	}{{"-v", 1_572_864, 64 << 10}, {"-d", 102_400, 4 << 10}} {
		least := leastMemory(t, program, memory.flag, memory.early, memory.step)
		for n := max(least-2*memory.step, memory.step); n < least+8*memory.step; n += memory.step {
			all = append(all, limitKind{flag: memory.flag, value: n, early: n < memory.early})
		}
		all = append(all, limitKind{flag: memory.flag, value: memory.early}, limitKind{flag: memory.flag, value: 2 * memory.early})
	}
	return append(all, limitKind{run: "size=4k"}, limitKind{run: "nr_inodes=1"}, limitKind{run: "ro"})
}

// leastMemory finds the least limit, in whole steps of KiB, under which the
// program starts.
func leastMemory(t *testing.T, program, flag string, most, step int) int {
	t.Helper()
	steps := 1 + sort.Search(most/step, func(i int) bool {
		return limited(fmt.Sprintf("%s %d", flag, (i+1)*step), program, "--version").Run() == nil
	})
	if steps > most/step {
		t.Fatalf("the program does not start with ulimit %s %d", flag, most)
	}
	t.Logf("the program starts with ulimit %s %d", flag, steps*step)
	return steps * step
}

// run runs the command under a limit.
func (a limitAttack) run(k limitKind) (code int, said string) {
	a.t.Helper()
	args := append([]string{a.program}, strings.Fields(a.command)...)
	cmd := exec.Command(args[0], args[1:]...)
	if k.flag != "" {
		cmd = limited(k.flag+" "+strconv.Itoa(k.value), args...)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	return exitCode(a.t, err), stderr.String()
}

// limitRun makes the program's directory in /run small and full until the end
// of the test.
func limitRun(t *testing.T, options string) {
	t.Helper()
	const dir = "/run/dmsnapctl"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	flags := uintptr(0)
	if options == "ro" {
		flags, options = unix.MS_RDONLY, ""
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	// As much as there is room for, where nothing else is looked for.
	other := filepath.Join(dir, "other")
	_ = os.Mkdir(other, 0o700)
	_ = os.WriteFile(filepath.Join(other, "full"), make([]byte, 1<<16), 0o600)
}

func TestAttackLimits(t *testing.T) {
	disks := testDisks(t)
	if len(disks) < 3 {
		t.Fatal("DMSNAPCTL_TEST_DISKS names too few disks")
	}
	loadLoop(t)
	program := programPath(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("base", bytes.Repeat([]byte("base"), 1<<19), 0o400); err != nil {
		t.Fatal(err)
	}
	tried, every := 0, soak.Every(t)
	soak.Report(t, "descriptors, memory and /run limited", func() int { return tried })
	some := rand.New(rand.NewPCG(20261126, 13)) // the same tenth each time
	failed, kinds := map[string]int{}, limitKinds(t, program)
	for _, v := range limitVictims(disks[2]) {
		t.Run(v.name, func(t *testing.T) {
			a := limitAttack{v, t, program, disks}
			defer a.clear()
			a.prepare()
			if code, said := a.run(limitKind{flag: "-n", value: 1000}); code != exitFine {
				t.Fatalf("exit code %d: %s", code, said)
			}
			after := a.state()
			before, store := a.prepare()
			for _, k := range kinds {
				if (k.flag != "" || !v.writesRun) && some.IntN(every) != 0 {
					continue
				}
				tried++
				t.Run(k.String(), func(t *testing.T) {
					a.t = t
					if k.run != "" {
						limitRun(t, k.run)
					}
					code, said := a.run(k)
					if code == exitUnknown {
						failed[k.flag]++
					}
					if !a.judge(k, code, said, before, after, store) {
						before, store = a.prepare()
					}
				})
				a.t = t
			}
		})
	}
	if failed["-n"] == 0 || failed[""] == 0 {
		t.Errorf("commands that failed, by their limit: %v", failed)
	}
}

// judge checks what a run said and left. It returns false if the scene must be
// made again.
func (a limitAttack) judge(k limitKind, code int, said, before, after, store string) (asBefore bool) {
	t := a.t
	t.Helper()
	t.Logf("exit code %d: %.300s", code, said)
	now := a.state()
	switch {
	case code == exitFine:
		if now != after {
			t.Errorf("it says that it is done: %s", cmp.Diff(after, now))
		}
		if a.writesRun && k.run != "" {
			t.Error("it has not noticed that it cannot write to /run")
		}
		return false
	case code == exitUnknown:
		lines := strings.Count(said, "dmsnapctl: ")
		guarded := k.early && strings.Contains(said, "a run died while devices were suspended") // the guardian has its own line
		if lines != 1 && !(guarded && lines == 2) {
			t.Errorf("%d lines: %s", lines, said)
		}
	case k.early && (code == exitCritical || code == 139 || code == -1):
	default:
		t.Errorf("exit code %d: %s", code, said)
	}
	ended := now != before && k.early // Go ended the program amid its work, as SIGKILL would
	if ended {
		a.does("recover --yes")
		now = a.state()
	}
	if now != before && !(ended && now == after) { // recover goes back or forward
		t.Errorf("exit code %d, and not as before: %.300s%s", code, said, cmp.Diff(before, now))
	}
	if is := a.shows("cow0"); is != store {
		t.Errorf("exit code %d, and the COW device has changed", code)
	}
	if out := a.does("recover --yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("recover: %s", out)
	}
	return now == before
}
