//go:build packages && linux

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// debianRoot makes a Debian from packages in a temporary directory, with the
// archive that this machine uses.
func debianRoot(t *testing.T, include ...string) string {
	t.Helper()
	need(t, "mmdebstrap")
	sources, _ := filepath.Glob("/etc/apt/sources.list.d/*.sources")
	if _, err := os.Stat("/etc/apt/sources.list"); err == nil {
		sources = append(sources, "/etc/apt/sources.list")
	}
	root := filepath.Join(t.TempDir(), "root")
	args := []string{"--mode=root", "--variant=minbase", "--format=directory",
		"--aptopt=APT::Sandbox::User \"root\"", "--aptopt=APT::Install-Recommends \"false\"", "--dpkgopt=force-unsafe-io",
		"--include=" + strings.Join(include, ","), codename(t), root}
	must(t, "mmdebstrap", append(args, sources...)...)
	return root
}

// codename is the name of the release of this machine.
func codename(t *testing.T) string {
	t.Helper()
	text := must(t, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME")
	return strings.TrimSpace(text)
}

// within runs a line of shell in a root.
func within(t *testing.T, root, line string) string {
	t.Helper()
	return must(t, "chroot", root, "/bin/sh", "-ec", line)
}

// changedIn calls do, and returns the files of a root that it left behind, except
// caches, logs, and what a package manager remembers.
func changedIn(t *testing.T, root string, do func()) []string {
	t.Helper()
	files := func() []string {
		said := within(t, root, "find / -xdev -path /proc -prune -o -path /tmp -prune -o -print")
		return strings.Split(strings.TrimSpace(said), "\n")
	}
	before := files()
	do()
	return slices.DeleteFunc(without(files(), before), func(name string) bool {
		return slices.ContainsFunc([]string{"/var/cache/", "/var/log/", "/var/lib/dpkg/", "/var/lib/dnf", "/var/lib/rpm"},
			func(kept string) bool { return strings.HasPrefix(name, kept) })
	})
}

// toldSystemd puts a systemctl in a root, which only notes how it is called, and
// returns a function that returns the calls since the last one.
func toldSystemd(t *testing.T, root string) func() string {
	t.Helper()
	write(t, root+"/usr/bin/systemctl", "#!/bin/sh\necho \"$*\" >>/tmp/told\n")
	within(t, root, "chmod +x /usr/bin/systemctl; mkdir -p /run/systemd/system")
	return func() string { return within(t, root, "cat /tmp/told; rm /tmp/told") }
}

// Calls of systemctl by the packages: units that run are told about new files,
// and none is enabled or started.
const (
	toldInstalled = "daemon-reload\ntry-restart dmsnapctl-monitor.service\n"
	toldRemoved   = "disable --now dmsnapctl-monitor.service dmsnapctl-check.timer dmsnapctl-recover.service\ndaemon-reload\n"
)

// On a Debian with nothing else, the package is installed, works, keeps the
// administrator's changes in an upgrade, and leaves nothing after a purge.
func TestInstallUseUpgradePurge(t *testing.T) {
	root := debianRoot(t, "man-db")
	newer := t.TempDir()
	must(t, "./build.sh", "0.9.1", newer, "amd64")
	must(t, "cp", debOf(built(t)), filepath.Join(newer, "dmsnapctl_0.9.1-1_amd64.deb"), root+"/tmp/")
	must(t, "cp", "../testdata/modules/amd64-leaky.ko.xz", root+"/tmp/dm-snapshot.ko.xz")
	told := toldSystemd(t, root)

	left := changedIn(t, root, func() {
		within(t, root, "dpkg -i /tmp/dmsnapctl_0.9.0-1_amd64.deb")
		if said := told(); said != toldInstalled {
			t.Errorf("installed: systemctl %s", said)
		}
		if said := within(t, root, "dmsnapctl --version"); !strings.Contains(said, "0.9.0") {
			t.Errorf("--version: %s", said)
		}
		if said := within(t, root, "dpkg --verify dmsnapctl"); said != "" {
			t.Errorf("dpkg --verify: %s", said)
		}
		use(t, root)

		within(t, root, "echo MONITOR_OPTIONS=--threshold=70 >>/etc/default/dmsnapctl; dpkg -i /tmp/dmsnapctl_0.9.1-1_amd64.deb")
		if said := within(t, root, "dmsnapctl --version; tail -1 /etc/default/dmsnapctl"); !strings.Contains(said, "0.9.1") || !strings.Contains(said, "=70") {
			t.Errorf("after the upgrade: %s", said)
		}
		if said := told(); said != "daemon-reload\n"+toldInstalled {
			t.Errorf("upgraded: systemctl %s", said)
		}

		within(t, root, "mkdir -p /var/lib/dmsnapctl; touch /var/lib/dmsnapctl/x.prom; dpkg -r dmsnapctl")
		within(t, root, "test ! -e /usr/sbin/dmsnapctl; test -e /etc/default/dmsnapctl; test -e /var/lib/dmsnapctl/x.prom")
		if said := told(); said != toldRemoved {
			t.Errorf("removed: systemctl %s", said)
		}
		within(t, root, "dpkg -P dmsnapctl")
	})
	if len(left) > 0 {
		t.Errorf("purged, and these are left: %v", left)
	}
}

// use runs commands that need only the package: no device mapper and no systemd. The
// README's three commands need a machine that boots (TestUnitsInAMachine).
func use(t *testing.T, root string) {
	t.Helper()
	for _, c := range []struct {
		line string
		exit int
		says string
	}{
		{"dmsnapctl check --module /tmp/dm-snapshot.ko.xz", 1, "leaky"},
		{"dmsnapctl crash simulate --kernel leaky --exceptions 1000 --in-flight 32 --crashes 3 --out /tmp/out", 1, "25 chunks leaked"},
		{"dmsnapctl verify /tmp/out/crash-3.cow", 1, "leaked"},
		{"dmsnapctl map /tmp/out/crash-3.cow -o /tmp/out/map.svg && grep -c '<svg' /tmp/out/map.svg", 0, "1"},
		{"man -P cat dmsnapctl-verify", 0, "EXIT STATUS"},
		{"man -P cat dmsnap-store", 0, "COW"},
		{"sh -n /usr/lib/systemd/system-generators/dmsnaptab-generator", 0, ""},
	} {
		cmd := exec.Command("chroot", root, "/bin/sh", "-c", c.line)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.exit || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", c.line, code, c.exit, c.says, out)
		}
	}
}

// without returns the words that others lacks.
func without(words, others []string) (left []string) {
	had := map[string]bool{}
	for _, w := range others {
		had[w] = true
	}
	for _, w := range words {
		if !had[w] {
			left = append(left, w)
		}
	}
	return left
}
