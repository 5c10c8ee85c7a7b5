//go:build packages && linux

package packaging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
)

// bootTimeout bounds the life of a machine, which has one processor, on a busy
// host.
const bootTimeout = 15 * time.Minute

// What testdata/boot.sh must see in each of the two boots, in order.
var seen = [][]string{{
	"created", "mounted", "readme-monitors", "cloned", "enabled", "monitor-ready", "monitor-metrics",
	"monitor-restarts", "monitor-feeds-the-watchdog", "watchdog-bites", "monitor-is-back",
	"store-grew", "growth-is-told",
	"origin-left-suspended", "origin-resumed", "recovered", "origin-takes-writes", "snapshot-survived",
	"store-left", "store-deleted", "clone-recovered",
	"check-ran", "check-metrics", "check-fails-unwritten", "check-could-not-write", "check-writes-elsewhere",
	"check-fails-unjudged",
}, {
	"snapshot-at-boot", "mounted-at-boot", "origin-through-snapshot", "origin-content", "snapshot-content",
	"activated-before-mounted", "clone-at-boot", "clone-content", "recover-at-boot", "recover-ran",
	"monitor-at-boot", "timer-at-boot", "nothing-failed",
	"stopped", "stop-removes", "damaged-is-refused", "nothing-is-left",
}}

// TestUnitsInAMachine boots a Debian with the package, with systemd as its
// first process, on a kernel with device mapper. It tests the monitor and its
// watchdog, growth of a store, recovery after program and guardian died together and after a clone
// was killed, the daily check and its failures, and a reboot with a table of snapshots.
func TestUnitsInAMachine(t *testing.T) {
	need(t, "e2fsprogs")
	kernel, err := kernels.Defaults[lab.UML].Ensure(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	root := debianRoot(t, "systemd-sysv", "udev", "dmsetup", "e2fsprogs", "strace")
	must(t, "cp", debOf(built(t)), root+"/tmp/")
	within(t, root, "dpkg -i /tmp/*.deb")
	machineFiles(t, root, kernel)
	disks := []string{filepath.Join(t.TempDir(), "system")}
	must(t, "truncate", "-s", "1500M", disks[0])
	must(t, "mkfs.ext4", "-q", "-d", root, disks[0])
	for _, name := range []string{"origin", "cow", "cow2"} {
		disk := filepath.Join(t.TempDir(), name)
		must(t, "truncate", "-s", "64M", disk)
		disks = append(disks, disk)
	}
	for i, want := range seen {
		said, console := bootOnce(t, kernel, disks)
		t.Logf("boot %d:\n%s", i+1, said)
		said, shown := apart(said)
		if i == 0 {
			checkREADME(t, shown)
		}
		if got := strings.TrimSpace(said); got != "ok "+strings.Join(want, "\nok ")+"\ndone" {
			t.Fatalf("boot %d: saw\n%s\nwant all of %v, in order\n%s", i+1, got, want, console[max(0, len(console)-4000):])
		}
	}
}

// machineFiles adds to the system what a machine needs, and the test.
func machineFiles(t *testing.T, root string, kernel kernels.Kernel) {
	t.Helper()
	must(t, "mkdir", "-p", root+"/lab", root+"/usr/lib/modules")
	must(t, "cp", "-a", kernel.ModuleDir, root+"/usr/lib/modules/"+kernel.Release)
	// The link of a kernel package. UML does not boot from it.
	write(t, root+"/boot/vmlinuz-"+kernel.Release, "")
	if err := os.Symlink("boot/vmlinuz-"+kernel.Release, root+"/vmlinuz"); err != nil {
		t.Fatal(err)
	}
	must(t, "cp", "testdata/boot.sh", root+"/lab/boot.sh")
	write(t, root+"/lab/phase", "first\n")
	var lines strings.Builder
	for _, c := range readmeCommands(t) {
		lines.WriteString(c.line + "\n")
	}
	write(t, root+"/lab/readme", lines.String())
	write(t, root+"/etc/modules-load.d/lab.conf", "dm-mod\ndm-snapshot\nloop\n")
	write(t, root+"/etc/fstab", "/dev/ubda / ext4 defaults 0 0\n")
	write(t, root+"/etc/systemd/system/lab.service", `[Unit]
After=multi-user.target
[Service]
Type=exec
ExecStart=/bin/bash /lab/boot.sh
[Install]
WantedBy=graphical.target
`)
	within(t, root, `ln -s /lib/systemd/system/graphical.target /etc/systemd/system/default.target
		mkdir -p /etc/systemd/system/graphical.target.wants
		ln -s ../lab.service /etc/systemd/system/graphical.target.wants/`)
}

// command is a command line for root in the README, and its output; a line
// "..." stands for any lines that follow.
type command struct{ line, prints string }

// readmeCommands returns the commands at the start of the README.
func readmeCommands(t *testing.T) (all []command) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("\n## Three commands\n"))
	text, _, _ = bytes.Cut(text, []byte("\n## "))
	for line := range strings.Lines(string(text)) {
		code, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		if line, ok := strings.CutPrefix(code, "# "); ok {
			all = append(all, command{line: strings.TrimSpace(line)})
		} else if len(all) > 0 {
			all[len(all)-1].prints += code
		}
	}
	if len(all) != 4 {
		t.Fatalf("the README begins with %d commands for root, want four: %v", len(all), all)
	}
	return all
}

// apart separates what the machine saw of the README's commands and their
// output. Other lines are messages of tools.
func apart(said string) (seen string, shown []command) {
	var rest strings.Builder
	for line := range strings.Lines(said) {
		if c, ok := strings.CutPrefix(line, "# "); ok {
			shown = append(shown, command{line: strings.TrimSpace(c)})
		} else if p, ok := strings.CutPrefix(line, "| "); ok && len(shown) > 0 {
			shown[len(shown)-1].prints += p
		} else if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "ok" || word == "FAILED" || word == "done" {
			rest.WriteString(line)
		}
	}
	return rest.String(), shown
}

// moment is a time in the output of the monitor.
var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)`)

// checkREADME compares the output of the commands on the machine with the
// README, except for times.
func checkREADME(t *testing.T, shown []command) {
	t.Helper()
	want := readmeCommands(t)
	if len(shown) != len(want) {
		t.Fatalf("%d of the README's commands were run, want %d", len(shown), len(want))
	}
	for i, w := range want {
		want, got := moment.ReplaceAllString(w.prints, "TIME"), moment.ReplaceAllString(shown[i].prints, "TIME")
		start, open := strings.CutSuffix(want, "...\n")
		if got != want && !(open && strings.HasPrefix(got, start)) {
			t.Errorf("%s prints\n%s, the README says\n%s", w.line, got, w.prints)
		}
	}
}

// leash ends the machine when the test ends in any way. A shell of the same
// process group waits next to the machine, on a pipe that only the test holds
// open.
const leash = `(read -r _ <&4; kill -KILL 0) >/dev/null 2>&1 3>&- & exec "$@" 4<&-`

// bootOnce boots the machine and returns what the test in it printed, and the
// console.
func bootOnce(t *testing.T, kernel kernels.Kernel, disks []string) (said, console string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	words := []string{"mem=768M", "root=/dev/ubda", "rootfstype=ext4", "rw", "uml_dir=" + t.TempDir(), "noreboot", "panic=-1",
		"con=null", "con0=null,fd:1", "con1=null,fd:3", "console=tty0", "systemd.show_status=1",
		"systemd.mask=getty@tty1.service", "systemd.mask=systemd-binfmt.service", "systemd.mask=e2scrub_reap.service",
		"systemd.mask=systemd-networkd-wait-online.service"}
	for i, d := range disks {
		words = append(words, fmt.Sprintf("ubd%dd=%s", i, d))
	}
	held, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", leash, "sh", kernel.Binary}, words...)...)
	// The kernel is several processes: when one ends, all must end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var screen bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &screen, &screen, []*os.File{to, held}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	to.Close()
	held.Close()
	printed := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(from)
		printed <- string(all)
	}()
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	said = strings.ReplaceAll(<-printed, "\r", "")
	if err != nil {
		t.Logf("the machine: %v\n%s", err, said)
	}
	return said, screen.String()
}
