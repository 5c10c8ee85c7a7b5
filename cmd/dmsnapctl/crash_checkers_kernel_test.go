// The checkers in the table of docs/crash.md, on what a real kernel writes to an
// origin: each accepts every state of its log, and finds fault if flushes or writes
// are missing from the log.

//go:build linux && kernel

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/crashtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// checkedUse is a use of an origin that has a row in the table of checkers.
type checkedUse struct {
	row string // its first column
	mib uint64 // size of the origin; the COW store behind it has 16 MiB
	// before makes the origin's first content, in the file base.img.
	before string
	// first uses the origin /dev/mapper/origin, and the directory mnt, before
	// there is a snapshot, and work does afterwards. It sends the mark faulty,
	// and may send enough.
	first, work string
	// modules of the kernel that it needs.
	modules []string
	// breaks returns the log of a faulty stack, and how many entries that lacks.
	breaks func(l *logwrites.Log, origin cow.Sectors) ([]byte, int, error)
}

// swallows: the snapshot target swallows its users' flushes.
func swallows(l *logwrites.Log, origin cow.Sectors) ([]byte, int, error) {
	return crashtest.Swallow(l, brokenFrom, origin, 128)
}

// loses: the disk loses all writes to the origin that are neither FUA nor with a
// flush, except the first.
func loses(l *logwrites.Log, origin cow.Sectors) ([]byte, int, error) {
	from, _ := l.FindMark(brokenFrom)
	kept, lost := false, 0
	log, err := crashtest.Rewrite(l, func(entries []crashtest.Entry) (all []crashtest.Entry) {
		for i, e := range entries {
			plain := i > from && e.Writes() && e.Flags&(logwrites.Flush|logwrites.FUA) == 0 && e.Sector < uint64(origin)
			if plain && kept {
				lost++
				continue
			}
			kept = kept || plain
			all = append(all, e)
		}
		return all
	})
	return log, lost, err
}

// brokenFrom is the mark after which the stack is faulty.
const brokenFrom = "faulty"

// aroundTheWork takes a snapshot of the origin while it is in use. In the end
// everything is taken down.
const aroundTheWork = `
set -e
test -e /run/udev/control || export DM_DISABLE_UDEV=1 # two makers of nodes get in each other's way
make() { dmsetup create "$1" --table "$2"; }
make real "0 $SECTORS linear $DMSNAPCTL_DEVICE 0"
make c "0 32768 linear $DMSNAPCTL_DEVICE $SECTORS"
make origin "0 $SECTORS snapshot-origin /dev/mapper/real"
dd if=/dev/zero of=/dev/mapper/c bs=4k count=1 oflag=direct status=none
%s
dmsetup suspend origin
dd if=/dev/null of=/dev/mapper/real conv=notrunc,fsync status=none
dmsnapctl crash mark frozen >&2
make snap "0 $SECTORS snapshot /dev/mapper/real /dev/mapper/c P 128"
dmsetup resume origin
%s
dmsetup remove --retry origin snap c real
`

var checkedUses = map[string]checkedUse{
	"sqlite": {
		row: "an sqlite database in ext4", mib: 8, modules: []string{"ext4"}, breaks: swallows,
		before: `truncate -s 8M base.img; mkfs.ext4 -q -F -b 1024 -O ^metadata_csum base.img`,
		// A journal that stays leaves the order of writes to sqlite alone: in place,
		// ext4 overwrites it without transactions of its own.
		first: `
change() { sqlite3 mnt/my.db "PRAGMA page_size=1024; PRAGMA journal_mode=persist; $1" >/dev/null; }
mount -t ext4 /dev/mapper/origin mnt
change 'CREATE TABLE t (n INTEGER, s TEXT); CREATE INDEX i ON t (s);
	INSERT INTO t SELECT value, hex(randomblob(50)) FROM generate_series(1, 4)'
change 'UPDATE t SET s = 1 || s'`,
		work: `
# Writing what is there copies the chunks, so that no commit of the snapshot
# lies between the writes of sqlite.
for file in mnt/my.db mnt/my.db-journal; do
	cp $file same
	dd if=same of=$file conv=notrunc,fdatasync status=none
done
dmsnapctl crash mark faulty >&2
change 'UPDATE t SET s = 2 || s'
dmsnapctl crash mark enough >&2
umount mnt`,
	},
	"xfs": {
		row: "xfs (mounting replays the log; as root, with a loop device)", mib: 32, modules: []string{"xfs", "loop"}, breaks: loses,
		// The variables let mkfs.xfs make less than 300 MB.
		before: `truncate -s 32M base.img; TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 mkfs.xfs -q -d agcount=2 -m finobt=0 base.img`,
		first: `
mount -t xfs -o nouuid /dev/mapper/origin mnt
mkdir mnt/a`,
		work: `
rmdir mnt/a
sync
dmsnapctl crash mark faulty >&2
umount mnt`,
	},
	"thin": {
		row: "metadata of a thin pool", mib: 8, modules: []string{"dm-thin-pool"}, breaks: swallows,
		before: `truncate -s 8M base.img`,
		first: `
# The data go nowhere.
dmsetup create data --table "0 131072 zero"
dmsetup create pool --table "0 131072 thin-pool /dev/mapper/origin /dev/mapper/data 128 0 1 skip_block_zeroing"
dmsetup message pool 0 "create_thin 1"
dmsetup create thin1 --table "0 65536 thin /dev/mapper/pool 1"
dd if=/dev/zero of=/dev/mapper/thin1 bs=64k count=8 oflag=direct conv=fsync status=none
dmsetup remove --retry thin1`,
		work: `
# As above, for the commits of the pool.
dd if=/dev/mapper/origin of=/dev/mapper/origin bs=64k count=4 iflag=direct oflag=direct conv=notrunc status=none
dmsnapctl crash mark faulty >&2
dmsetup message pool 0 "create_snap 2 1"
dmsetup remove --retry pool data`,
	},
}

// documentedChecker is what explore gets for a row of the table of checkers.
func documentedChecker(t *testing.T, row string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/crash.md")
	if err != nil {
		t.Fatal(err)
	}
	_, cell, found := strings.Cut(string(text), "\n| "+row+" | `")
	call, _, ends := strings.Cut(cell, "` |\n")
	if !found || !ends {
		t.Fatalf("docs/crash.md has no checker for %q", row)
	}
	return append([]string{"--check"}, shellWords(t, call)...)
}

// onDisk is a directory on a disk. Other than a tmpfs, it takes direct I/O, which
// thin_check does.
func onDisk(t *testing.T, disk string) string {
	t.Helper()
	dir := t.TempDir()
	shell(t, `mkfs.ext4 -q -F "$1"; mount -t ext4 "$1" "$2"`, disk, dir)
	unmountLater(t, dir)
	return dir
}

// record records the work on a disk of the machine, and returns the log.
func (u checkedUse) record(t *testing.T, disks []string) []byte {
	t.Helper()
	shell(t, "mkdir mnt; "+u.before+`
		dd if=base.img of="$1" bs=1M oflag=direct conv=fsync status=none`, disks[0])
	t.Setenv("SECTORS", fmt.Sprint(u.mib<<11))
	out, complaints, code := crashRun(context.Background(), "record", "--device", disks[0], "--log", disks[1], "--yes", "--", "sh", "-c", fmt.Sprintf(aroundTheWork, u.first, u.work))
	if code != exitFine {
		shell(t, "umount mnt 2>/dev/null || true")
		t.Fatalf("record: exit code %d\n%s%s", code, out, complaints)
	}
	return untilMark(t, wholeLog(t, disks[1]), "enough")
}

// untilMark cuts a log off at a mark, if it has that.
func untilMark(t *testing.T, log []byte, mark string) []byte {
	t.Helper()
	l, err := logwrites.Open(bytes.NewReader(log), int64(len(log)))
	if err != nil {
		t.Fatal(err)
	}
	end, found := l.FindMark(mark)
	if !found {
		return log
	}
	log, err = crashtest.Rewrite(l, func(entries []crashtest.Entry) []crashtest.Entry { return entries[:end+1] })
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// explore explores a log with a checker on the origin.
func (u checkedUse) explore(log string, checker ...string) (out, complaints string, code int) {
	sectors := u.mib << 11
	return crashRun(context.Background(), append([]string{"explore", "--log", log, "--base", "base.img", "--from-mark", "frozen", "--reorder", "0",
		"--origin", fmt.Sprintf("0+%d", sectors), "--cow", fmt.Sprintf("%d+32768", sectors), "--view", "origin", "--fail-on", "check"}, checker...)...)
}

// TestDocumentedCheckers: a kernel leaves no state that the checkers of
// docs/crash.md do not accept. A faulty stack does. The output names the first
// such state, and the command in it writes an image on which the checker fails,
// too.
func TestDocumentedCheckers(t *testing.T) {
	disks := scratchDisks(t)
	t.Setenv("PATH", filepath.Dir(programPath(t))+":"+os.Getenv("PATH"))
	for name, u := range checkedUses {
		t.Run(name, func(t *testing.T) {
			for _, module := range u.modules {
				if slices.Contains(strings.Split(os.Getenv("DMSNAPCTL_TEST_MISSING"), ","), module) {
					t.Skipf("not applicable: the kernel has no %s", module)
				}
			}
			checker := documentedChecker(t, u.row)
			t.Chdir(onDisk(t, disks[2]))
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			log := u.record(t, disks)
			l, err := logwrites.Open(bytes.NewReader(log), int64(len(log)))
			if err != nil {
				t.Fatal(err)
			}
			broken, missing, err := u.breaks(l, cow.Sectors(u.mib<<11))
			if err != nil || missing == 0 {
				t.Fatalf("the broken log lacks %d entries, %v", missing, err)
			}
			place(t, "log", log, 0o600)
			place(t, "broken", broken, 0o600)
			out, complaints, code := u.explore("log", append(checker, "--json")...)
			var r crash.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("explore: exit code %d, %v\n%s%s", code, err, out, complaints)
			}
			t.Logf("%d entries, %d missing in the broken log, %d states, %d runs in %v s", r.Entries, missing, r.States, r.Runs, r.Seconds)
			if code != exitFine || r.FailedChecks+r.UndecidedChecks > 0 || r.Runs < 10 {
				t.Errorf("exit code %d, %+v\n%s", code, r.Checks, complaints)
			}
			u.findsFault(t, checker, r.Entries)
			if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// findsFault: the checker fails on a state of the broken log, in the exploration
// and on the image that the output says how to write. The same command writes a
// good image of the end of the other log, which has this many entries.
func (u checkedUse) findsFault(t *testing.T, checker []string, entries int) {
	t.Helper()
	command := checker[1]
	if !strings.Contains(command, "{}") {
		command += " {}"
	}
	// After the first fault, the other images need not be checked.
	checker[1] = "test -e found || { " + command + "; } || { touch found; false; }"
	out, complaints, code := u.explore("broken", checker...)
	_, told, _ := strings.Cut(out, "first image the checker does not find good")
	_, state, _ := strings.Cut(strings.Join(strings.Fields(told), " "), ": state ")
	state, _, _ = strings.Cut(state, " ")
	_, line, _ := strings.Cut(told, "\nnext: dmsnapctl crash ")
	line, _, _ = strings.Cut(line, " #")
	if code != exitCritical || state == "" || !strings.Contains(line, "--state "+state+" ") {
		t.Fatalf("broken: exit code %d\n%s%s", code, out, complaints)
	}
	good := strings.NewReplacer("--log broken", "--log log", "--state "+state, fmt.Sprintf("--state %d", entries), "image.img", "good.img")
	for image, line := range map[string]string{"image.img": line, "good.img": good.Replace(line)} {
		if out, complaints, code := crashRun(context.Background(), strings.Fields(line)...); code != exitFine {
			t.Fatalf("%s: exit code %d\n%s%s", line, code, out, complaints)
		}
		said, err := exec.Command("sh", "-c", strings.ReplaceAll(command, "{}", image)).CombinedOutput()
		if t.Logf("%s: %v\n%s", line, err, said); (err == nil) != (image == "good.img") {
			t.Errorf("by itself, the image of %s: %v", line, err)
		}
	}
}
