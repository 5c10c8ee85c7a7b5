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
// output.
func TestCommandsInMonitors(t *testing.T) {
	root := debianRoot(t, "nagios4-core", "icinga2-bin")
	leaky := leakySystem(t)
	must(t, "cp", "-r", leaky+"/lib/.", root+"/usr/lib")
	must(t, "cp", "-rd", leaky+"/boot", leaky+"/vmlinuz", root)
	files := unpacked(t)
	must(t, "cp", files+"/usr/sbin/dmsnapctl", root+"/usr/sbin")
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
			alone := []string{"--kill-child", "--fork", "--pid", "--mount", "--mount-proc=" + root + "/proc", "chroot", root}
			start(t, "unshare", append(alone, monitor.command...)...)
			for _, want := range []string{
				"kernel;WARNING;DMSNAPCTL WARNING - kernel 6.1.0-fixture leaky",
				"snapshots;UNKNOWN;DMSNAPCTL UNKNOWN - open /dev/mapper/control: ",
				"store;WARNING;/srv/leaky.cow: leaked: 6 chunks lost (24 KiB)",
			} {
				waitForText(t, root+monitor.heard, want)
			}
		})
	}
}

// waitForText waits until one of the files of a pattern contains a text. What
// Nagios writes about the attempt, between the state and the text, is ignored.
func waitForText(t *testing.T, pattern, want string) {
	t.Helper()
	said := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		said = ""
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			text, _ := os.ReadFile(name)
			said += strings.ReplaceAll(string(text), ";HARD;1;", ";")
		}
		if strings.Contains(said, want) {
			return
		}
	}
	t.Errorf("%s: no %q in:\n%s", pattern, want, said)
}
