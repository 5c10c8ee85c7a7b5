//go:build packages && linux

package packaging

import (
	"path/filepath"
	"strings"
	"testing"
)

// fedoraLike makes a root with the layout of a Fedora, where dnf and rpm install
// packages: one directory of programs, the directories of completions and licences
// that its package filesystem has, and an empty database of packages. The programs
// are Debian's.
func fedoraLike(t *testing.T, include ...string) string {
	t.Helper()
	root := debianRoot(t, append([]string{"dnf", "rpm", "man-db"}, include...)...)
	within(t, root, "cp -an /usr/sbin/. /usr/bin/; rm -r /usr/sbin; ln -s bin /usr/sbin")
	// Debian's rpm has its database in the home directory.
	within(t, root, "mkdir -p /etc/rpm; echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros.place")
	within(t, root, "cd /usr/share; mkdir -p bash-completion/completions fish/vendor_completions.d zsh/site-functions licenses")
	return root
}

// Where dnf manages packages, the .rpm is installed, works, keeps the
// administrator's changes in an upgrade, and leaves only them when it is removed.
func TestInstallUseUpgradeRemoveTheRPM(t *testing.T) {
	root := fedoraLike(t)
	newer := t.TempDir()
	must(t, "./build.sh", "0.9.1", newer, "amd64")
	must(t, "cp", rpmOf(built(t)), filepath.Join(newer, "dmsnapctl-0.9.1-1.x86_64.rpm"), root+"/tmp/")
	must(t, "cp", "../testdata/modules/amd64-leaky.ko.xz", root+"/tmp/dm-snapshot.ko.xz")
	told := toldSystemd(t, root)
	const dnf = "dnf --assumeyes --quiet --releasever=1 --disablerepo='*' "

	left := changedIn(t, root, func() {
		within(t, root, dnf+"install /tmp/dmsnapctl-0.9.0-1.x86_64.rpm")
		if said := told(); said != toldInstalled {
			t.Errorf("installed: systemctl %s", said)
		}
		if said := within(t, root, "dmsnapctl --version; rpm -qa"); !strings.Contains(said, "0.9.0") || !strings.HasSuffix(said, "\ndmsnapctl-0.9.0-1.x86_64\n") {
			t.Errorf("installed: %s", said)
		}
		if said := within(t, root, "rpm --verify dmsnapctl"); said != "" {
			t.Errorf("rpm --verify: %s", said)
		}
		use(t, root)

		within(t, root, "echo MONITOR_OPTIONS=--threshold=70 >>/etc/default/dmsnapctl; "+dnf+"upgrade /tmp/dmsnapctl-0.9.1-1.x86_64.rpm")
		if said := within(t, root, "dmsnapctl --version; tail -1 /etc/default/dmsnapctl"); !strings.Contains(said, "0.9.1") || !strings.Contains(said, "=70") {
			t.Errorf("after the upgrade: %s", said)
		}
		if said := told(); said != toldInstalled+"daemon-reload\n" {
			t.Errorf("upgraded: systemctl %s", said)
		}

		within(t, root, "mkdir -p /var/lib/dmsnapctl; touch /var/lib/dmsnapctl/x.prom; "+dnf+"remove dmsnapctl")
		if said := told(); said != toldRemoved {
			t.Errorf("removed: systemctl %s", said)
		}
	})
	if got := strings.Join(left, " "); got != "/etc/default/dmsnapctl.rpmsave" {
		t.Errorf("removed, and these are left: %s", got)
	}
}
