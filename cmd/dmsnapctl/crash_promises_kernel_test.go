// What a file system and a database were promised, on a real kernel: ext4 with
// sqlite on an origin and on a snapshot, recorded with two logs and explored.

//go:build linux && kernel

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/crashtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

var updateLogs = flag.Bool("update-logs", false, "write the logs of ext4 in testdata/crash anew")

// sqliteSetup builds an origin, which has a file system already, and a snapshot.
const sqliteSetup = `
set -e
test -e /run/udev/control || export DM_DISABLE_UDEV=1 # two makers of nodes get in each other's way
dmsetup create real --table "0 16384 linear $DMSNAPCTL_DEVICE 0"
dmsetup create c --table "0 32768 linear $DMSNAPCTL_DEVICE 16384"
dmsnapctl crash mark frozen >&2
dmsetup create snap --table "0 16384 snapshot /dev/mapper/real /dev/mapper/c P 8"
dmsetup create origin --table "0 16384 snapshot-origin /dev/mapper/real"
echo /dev/mapper/`

// sqliteWork commits transactions, each with a mark after it.
const sqliteWork = `
set -e
mount -t ext4 "$DMSNAPCTL_UPPER" mnt
sqlite3 mnt/my.db 'CREATE TABLE t (n INTEGER, s TEXT)'
for i in 1 2 3; do
	sqlite3 mnt/my.db "INSERT INTO t VALUES ($i, 'number $i')"
	dmsnapctl crash mark "row-$i" >&2
done
sqlite3 mnt/my.db 'UPDATE t SET s = upper(s)'
dmsnapctl crash mark updated >&2
umount mnt
`

// sqliteLogs records the workload on a device of the stack, and returns the base
// image and the two logs.
func sqliteLogs(t *testing.T, disks []string, device string) (base, lower, upper []byte) {
	t.Helper()
	shell(t, `truncate -s 24M base.img; mkfs.ext4 -q -F -b 1024 -O ^metadata_csum base.img 8M; mkdir -p mnt
		dd if=base.img of="$1" bs=1M oflag=direct conv=fsync status=none`, disks[0])
	out, complaints, code := crashRun(context.Background(), "record", "--device", disks[0], "--log", disks[1], "--upper", disks[2],
		"--setup", sqliteSetup+device, "--yes", "--json", "--", "sh", "-c", sqliteWork)
	if code != exitFine {
		shell(t, "umount mnt 2>/dev/null || true")
		t.Fatalf("record: exit code %d\n%s%s", code, out, complaints)
	}
	base, err := os.ReadFile("base.img")
	if err != nil {
		t.Fatal(err)
	}
	return base[:8<<20], wholeLog(t, disks[1]), wholeLog(t, disks[2])
}

// wholeLog reads the log on a disk.
func wholeLog(t *testing.T, disk string) []byte {
	t.Helper()
	f, err := blockdev.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	direct, err := f.Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	l, err := logwrites.Open(direct, direct.Size())
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, l.Bytes())
	if err := blockdev.ReadFull(direct, data, 0); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSqliteKeepsItsPromises: on the kernel's snapshots nothing is lost that ext4
// flushed. If the snapshot target swallows the flushes of its users, and keeps its
// own order, then the frozen image is still whole, and explore names lost writes.
func TestSqliteKeepsItsPromises(t *testing.T) {
	disks := scratchDisks(t)
	keep, err := filepath.Abs("../../testdata/crash")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(programPath(t))+":"+os.Getenv("PATH"))
	for device, view := range map[string]string{"origin": "origin", "snap": "snapshot"} {
		t.Chdir(t.TempDir())
		base, lower, upper := sqliteLogs(t, disks, device)
		l, err := logwrites.Open(bytes.NewReader(lower), int64(len(lower)))
		if err != nil {
			t.Fatal(err)
		}
		swallowed, dropped, err := crashtest.Swallow(l, "frozen", 16384, 8)
		if err != nil || dropped < 10 {
			t.Fatalf("%d flushes were dropped, %v", dropped, err)
		}
		for name, content := range map[string][]byte{"base.img": base, "upper": upper, "log": lower, "swallowed": swallowed} {
			place(t, name, content, 0o600)
		}
		for _, log := range []string{"log", "swallowed"} {
			args := []string{"explore", "--log", log, "--base", "base.img", "--upper", "upper", "--upper-view", view, "--origin", "0+16384", "--cow", "16384+32768", "--from-mark", "frozen", "--json"}
			if view == "snapshot" {
				args = append(args, "--snapshot-written", "--origin-unwritten")
			}
			out, complaints, code := crashRun(context.Background(), args...)
			var r crash.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("explore: exit code %d, %v\n%s%s", code, err, out, complaints)
			}
			t.Logf("%s, %s: exit code %d, %d entries (%d bytes), %d flushes dropped, %d marks, %d states, %d lost, first %+v", view, log, code, r.Entries, len(lower), dropped, r.CommonMarks, r.States, r.LostWriteStates, r.FirstLost)
			if bad := r.CorruptStates + r.BrokenImageStates; bad > 0 || r.CommonMarks < 5 {
				t.Errorf("%s, %s: %d bad states, %d marks\n%s", view, log, bad, r.CommonMarks, complaints)
			}
			lost := r.LostWriteStates > 0 && r.FirstLost != nil
			if lost != (log == "swallowed") || (code == exitCritical) != lost || code == exitFine == lost {
				t.Errorf("%s, %s: exit code %d, %d states lost writes, doubts %v", view, log, code, r.LostWriteStates, r.Doubts)
			}
		}
		if *updateLogs {
			for name, content := range map[string][]byte{".img": base, ".log": lower, "-upper.log": upper} {
				zipTo(t, filepath.Join(keep, "ext4-"+view+name+".gz"), content)
			}
		}
	}
}

func zipTo(t *testing.T, path string, content []byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = z.Write(content)
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
