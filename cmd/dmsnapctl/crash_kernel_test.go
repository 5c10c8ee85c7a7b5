// The commands crash record, explore and state on a real kernel, one after the
// other: the workload of docs/crash.md is recorded and explored, and a state of
// it is activated.

//go:build linux && kernel

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// workload lays out an origin and a store on the recorded device, takes a
// snapshot and overwrites the origin.
const workload = `
set -e
test -e /run/udev/control || export DM_DISABLE_UDEV=1 # two makers of nodes get in each other's way
o=$(basename $DMSNAPCTL_DEVICE)
dmsetup create o --table "0 16384 linear $DMSNAPCTL_DEVICE 0"
dmsetup create c --table "0 32768 linear $DMSNAPCTL_DEVICE 16384"
dd if=/dev/urandom of=/dev/mapper/o bs=1M count=8 oflag=direct conv=fsync
dmsetup message $o 0 mark frozen
dmsetup create snap --table "0 16384 snapshot /dev/mapper/o /dev/mapper/c P 8"
dmsetup create origin --table "0 16384 snapshot-origin /dev/mapper/o"
dd if=/dev/urandom of=/dev/mapper/origin bs=4k count=100 oflag=direct
dmsetup remove --retry origin
dmsetup remove --retry snap
dmsetup remove --retry c
dmsetup remove --retry o
`

// crashRun runs a command and returns its output and its exit code.
func crashRun(ctx context.Context, args ...string) (out, complaints string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(ctx, append([]string{"dmsnapctl", "crash"}, args...), streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return stdout.String(), stderr.String(), code
}

func scratchDisks(t *testing.T) []string {
	t.Helper()
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS names %d disks, want at least 4", len(disks))
	}
	return disks
}

func TestRecordAndExplore(t *testing.T) {
	disks := scratchDisks(t)
	ctx := context.Background()
	shell(t, "dd if=/dev/zero of=$1 bs=1M count=24 conv=fsync", disks[0]) // another test's store must not lie where the COW store will be
	out, complaints, code := crashRun(ctx, "record", "--device", disks[0], "--log", disks[1], "--yes", "--", "sh", "-c", workload)
	if code != exitFine {
		t.Fatalf("record: exit code %d\n%s%s", code, out, complaints)
	}
	out, complaints, code = crashRun(ctx, "explore", "--log", disks[1], "--origin", "0+16384", "--cow", "16384+32768", "--from-mark", "frozen", "--json")
	var report crash.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("explore: exit code %d, %v\n%s%s", code, err, out, complaints)
	}
	// Writes that are waited for one by one leak on no kernel.
	if code != exitFine || report.Commits < 100 || report.States < 1000 || report.LintViolations != 0 {
		t.Errorf("explore: exit code %d, %d commits, %d states, %d violations %v\n%s", code, report.Commits, report.States, report.LintViolations, report.Violations, complaints)
	}
	image := filepath.Join(t.TempDir(), "state.img")
	if out, complaints, code = crashRun(ctx, "state", "--log", disks[1], "--state", "100", "--out", image); code != exitFine {
		t.Errorf("state: exit code %d\n%s%s", code, out, complaints)
	}
	if info, err := os.Stat(image); err != nil || info.Size() < 8<<20 {
		t.Errorf("the state's image: %v, %v", info, err)
	}
	if left := mappedDevices(t); !strings.Contains(left, "No devices found") {
		t.Errorf("devices are left behind: %s", left)
	}
}

// TestRecordIsInterrupted: the command ends with its workload, and takes the
// device down.
func TestRecordIsInterrupted(t *testing.T) {
	disks := scratchDisks(t)
	ctx, cancel := context.WithCancel(context.Background())
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for {
			if _, err := os.Stat(started); err == nil {
				cancel()
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	out, complaints, code := crashRun(ctx, "record", "--device", disks[0], "--log", disks[1], "--yes", "--", "sh", "-c", "touch "+started+"; exec sleep 600")
	if code != exitInterrupted {
		t.Errorf("record: exit code %d\n%s%s", code, out, complaints)
	}
	if left := mappedDevices(t); !strings.Contains(left, "No devices found") {
		t.Errorf("devices are left behind: %s", left)
	}
}

// TestRecordIsKilled: after SIGKILL the command cannot take the device down.
// The workload still ends, and recover takes the device down and leaves a
// complete log.
func TestRecordIsKilled(t *testing.T) {
	disks := scratchDisks(t)
	started := filepath.Join(t.TempDir(), "started")
	workload := "dd if=/dev/urandom of=$DMSNAPCTL_DEVICE bs=64k count=1 oflag=direct conv=fsync && touch " + started + " && exec sleep 600 <$DMSNAPCTL_DEVICE"
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	killed := exec.Command(self)
	killed.Args = []string{"dmsnapctl", "crash", "record", "--device", disks[0], "--log", disks[1], "--yes", "--", "sh", "-c", workload} // the name makes it the program, see TestMain
	killed.Stderr, killed.WaitDelay = &said, time.Second
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the workload to begin", func() bool {
		_, err := os.Stat(started)
		return err == nil
	})
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := killed.Wait(); err == nil {
		t.Errorf("it ended as if nothing had been: %s", said.String())
	}
	if left := mappedDevices(t); !strings.Contains(left, "dmsnap-record") {
		t.Errorf("what was killed has taken its device down: %q", left)
	}
	eventually(t, "recover to take the device down", func() bool {
		var out, complaints bytes.Buffer
		args := []string{"dmsnapctl", "recover", "--yes"}
		if code := run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitFine {
			t.Fatalf("recover: exit code %d\n%s%s", code, out.String(), complaints.String())
		}
		return strings.Contains(mappedDevices(t), "No devices found")
	})
	if entries, complete := logOn(t, disks[1]); !complete || entries < 2 {
		t.Errorf("the log has %d entries, complete: %v", entries, complete)
	}
}

// eventually polls until done.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 2400 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited too long for %s", what)
}

func mappedDevices(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("dmsetup", "ls").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// logOn reads the log on a disk.
func logOn(t *testing.T, disk string) (entries int, complete bool) {
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
	return l.Len(), l.Complete()
}

// towerSetup builds an origin with a snapshot, and prints the device to log above.
const towerSetup = `
set -e
test -e /run/udev/control || export DM_DISABLE_UDEV=1 # two makers of nodes get in each other's way
dmsetup create real --table "0 16384 linear $DMSNAPCTL_DEVICE 0"
dmsetup create c --table "0 32768 linear $DMSNAPCTL_DEVICE 16384"
dd if=/dev/urandom of=/dev/mapper/real bs=1M count=8 oflag=direct conv=fsync status=none
dmsnapctl crash mark frozen >&2
dd if=/dev/zero of=/dev/mapper/c bs=8k count=1 oflag=direct conv=fsync status=none
dmsetup create snap --table "0 16384 snapshot /dev/mapper/real /dev/mapper/c P 8"
dmsetup create origin --table "0 16384 snapshot-origin /dev/mapper/real"
echo some words first
echo /dev/mapper/`

// TestRecordTower: a device on top of the snapshot stack is recorded too, and
// everything is taken down. What the workload flushed above before its mark is
// there in all later states.
func TestRecordTower(t *testing.T) {
	disks := scratchDisks(t)
	ctx := context.Background()
	t.Setenv("PATH", filepath.Dir(programPath(t))+":"+os.Getenv("PATH"))
	record := func(setup, command string) (string, string, int) {
		return crashRun(ctx, "record", "--device", disks[0], "--log", disks[1], "--upper", disks[2], "--setup", setup, "--yes", "--json", "--", "sh", "-c", command)
	}
	none := func() {
		t.Helper()
		if left := mappedDevices(t); !strings.Contains(left, "No devices found") {
			t.Fatalf("devices are left behind: %s", left)
		}
	}
	base := filepath.Join(t.TempDir(), "base.img")
	for _, view := range []string{"origin", "snap"} {
		// What other tests left would come alive in a crash during the creation of the
		// snapshot: the kernel does not flush what it zeroes (docs/crash-findings.md).
		shell(t, `dd if=/dev/zero of="$1" bs=1M count=24 oflag=direct conv=fsync status=none
			dd if="$1" of="$2" bs=1M count=24 iflag=direct status=none`, disks[0], base)
		out, complaints, code := record(towerSetup+view, `
			for i in 1 2 3; do dd if=/dev/urandom of=$DMSNAPCTL_UPPER bs=4k count=20 oflag=direct conv=fsync status=none; done
			dmsnapctl crash mark overwritten >&2
			exec dd if=/dev/urandom of=$DMSNAPCTL_UPPER bs=4k seek=100 count=20 oflag=direct status=none`)
		var recorded recordJSON
		if err := json.Unmarshal([]byte(out), &recorded); err != nil || code != exitFine {
			t.Fatalf("record: exit code %d, %v\n%s%s", code, err, out, complaints)
		}
		none()
		u := recorded.Upper
		if u == nil || u.Device != "/dev/mapper/"+view || u.Marks < 1 || u.Entries < 80 || u.LogFull || recorded.Entries < u.Entries {
			t.Errorf("recorded %+v, above %+v", recorded, u)
		}
		name := map[string]string{"origin": "origin", "snap": "snapshot"}[view]
		args := []string{"explore", "--log", disks[1], "--upper", disks[2], "--upper-view", name, "--origin", "0+16384", "--cow", "16384+32768", "--from-mark", "frozen", "--base", base, "--json"}
		if view == "snap" {
			args = append(args, "--snapshot-written", "--origin-unwritten")
		}
		out, complaints, code = crashRun(ctx, args...)
		var report crash.Report
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("explore: exit code %d, %v\n%s%s", code, err, out, complaints)
		}
		if code != exitFine || report.CommonMarks < 3 || report.States < 300 || report.LostWriteStates > 0 {
			t.Errorf("%s: exit code %d, %d marks, %d states, %d lost, doubts %v\n%s", view, code, report.CommonMarks, report.States, report.LostWriteStates, report.Doubts, complaints)
		}
	}
	for name, setup := range map[string]string{
		"it fails":           towerSetup + "origin\nexit 9",
		"nothing is printed": strings.Replace(towerSetup, "echo", ": ", 2) + "origin",
		"another device":     towerSetup + "origin\necho " + disks[3],
	} {
		if out, complaints, code := record(setup, "echo it ran >&2"); code != exitUnknown || strings.Contains(complaints, "it ran") {
			t.Errorf("%s: exit code %d\n%s%s", name, code, out, complaints)
		}
		none()
	}
}
