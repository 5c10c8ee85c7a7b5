//go:build packages && linux

package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Separate instances of Nagios and Icinga run our commands, and receive their
// output. The package's program has no device mapper here, which is UNKNOWN; for
// the states of a snapshot that fills up, the same commands run the program on a
// machine in memory.
func TestCommandsInMonitors(t *testing.T) {
	root := debianRoot(t, "nagios4-core", "icinga2-bin")
	leaky := leakySystem(t)
	must(t, "cp", "-r", leaky+"/lib/.", root+"/usr/lib")
	must(t, "cp", "-rd", leaky+"/boot", leaky+"/vmlinuz", root)
	files := unpacked(t)
	must(t, "cp", files+"/usr/sbin/dmsnapctl", root+"/usr/sbin/dmsnapctl.real")
	must(t, "env", "CGO_ENABLED=0", "go", "test", "-c", "-o", root+"/usr/sbin/dmsnapctl-in-memory", "../cmd/dmsnapctl")
	write(t, root+"/usr/sbin/dmsnapctl", `#!/bin/sh
if [ "$1" = status ] && [ -s /srv/status ]; then
	DMSNAPCTL_TEST_STATUS=$(cat /srv/status) exec /usr/sbin/dmsnapctl-in-memory "$@"
fi
exec /usr/sbin/dmsnapctl.real "$@"
`)
	must(t, "sh", "-c", "gunzip -c ../testdata/stores/leaky.cow.gz >"+root+"/srv/leaky.cow")
	must(t, "sh", "-c", "cp testdata/monitors/* "+files+"/usr/share/doc/dmsnapctl/examples/nagios/* "+root+"/etc")
	must(t, "mkdir", "-p", root+"/run/icinga2")
	for _, monitor := range []struct {
		name    string
		command []string
		heard   string // a pattern for the files with what it heard
	}{
		{"Nagios", []string{"nagios4", "/etc/nagios.cfg"}, "/tmp/nagios.log"},
		{"Icinga", []string{"icinga2", "daemon", "-c", "/etc/icinga2.conf", "-DRunAsUser=root", "-DRunAsGroup=root"}, "/tmp/heard*"},
	} {
		t.Run(monitor.name, func(t *testing.T) {
			write(t, root+"/srv/status", "")
			alone := []string{"--kill-child", "--fork", "--pid", "--mount", "--mount-proc=" + root + "/proc", "chroot", root}
			start(t, "unshare", append(alone, monitor.command...)...)
			for _, want := range []string{
				"kernel;WARNING;DMSNAPCTL WARNING - kernel 6.1.0-fixture leaky",
				"snapshots;UNKNOWN;DMSNAPCTL UNKNOWN - open /dev/mapper/control: ",
				"store;WARNING;/srv/leaky.cow: leaked: 6 chunks lost (24 KiB)",
			} {
				waitForText(t, root+monitor.heard, want)
			}
			for _, s := range []struct{ status, want string }{
				{"16/2048 8", "snapshots;OK;DMSNAPCTL OK - 1 snapshot"},
				{"1700/2048 8", "snapshots;WARNING;DMSNAPCTL WARNING - 1 snapshot; s is active, 83.0% full"},
				{"2000/2048 8", "snapshots;CRITICAL;DMSNAPCTL CRITICAL - 1 snapshot; s is active, 97.7% full"},
			} {
				write(t, root+"/srv/status.new", s.status)
				must(t, "mv", root+"/srv/status.new", root+"/srv/status")
				waitForText(t, root+monitor.heard, s.want)
			}
		})
	}
}

// asInNagios undoes what Nagios does to a check's text: it writes which attempt
// it was before it, and a colon for each semicolon in it.
var asInNagios = strings.NewReplacer(";HARD;1;", ";", " snapshot: ", " snapshot; ")

// waitForText waits until one of the files of a pattern contains a text.
func waitForText(t *testing.T, pattern, want string) {
	t.Helper()
	said := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		said = ""
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			text, _ := os.ReadFile(name)
			said += asInNagios.Replace(string(text))
		}
		if strings.Contains(said, want) {
			return
		}
	}
	t.Errorf("%s: no %q in:\n%s", pattern, want, said)
}
