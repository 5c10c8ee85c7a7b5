//go:build packages && linux

package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// play runs a playbook of a directory on this machine, with the files of the
// role in a separate directory.
func play(t *testing.T, from, book string, settings map[string]any, args ...string) (string, error) {
	t.Helper()
	vars, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ansible-playbook", append([]string{"-i", "localhost,", "-c", "local", "-e", string(vars), book}, args...)...)
	cmd.Dir = from
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The role in the package passes ansible-lint. It changes nothing with --check,
// does its work without, changes nothing when it runs again, and refuses a
// leaky kernel.
func TestAnsible(t *testing.T) {
	need(t, "ansible-core", "ansible-lint")
	files := unpacked(t)
	from := files + "/usr/share/doc/dmsnapctl/examples/ansible"
	lint := exec.Command("ansible-lint", "--offline", "--strict", "site.yml", "gate.yml", "roles/dmsnapctl")
	lint.Dir = from
	lint.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if said, err := lint.CombinedOutput(); err != nil {
		t.Errorf("ansible-lint: %v\n%s", err, said)
	}
	dir := t.TempDir()
	settings := map[string]any{
		"ansible_become": false, "dmsnapctl_program": files + "/usr/sbin/dmsnapctl", "dmsnapctl_root": leakySystem(t),
		"dmsnapctl_refuse_leaky": false, "dmsnapctl_textfile_dir": dir + "/metrics",
		"dmsnapctl_defaults_file": dir + "/defaults", "dmsnapctl_facts_dir": dir + "/facts",
		"dmsnapctl_units_dir": dir + "/units",
	}
	if said, err := play(t, from, "site.yml", settings, "--check"); err != nil {
		t.Errorf("--check: %v\n%s", err, said)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("--check made %v", left)
	}
	if said, err := play(t, from, "site.yml", settings); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	fact, err := os.ReadFile(dir + "/facts/dmsnapctl.fact")
	if err != nil || !strings.Contains(string(fact), "leaky") {
		t.Errorf("%v; the fact is %s", err, fact)
	}
	for _, unit := range []string{"dmsnapctl-monitor.service", "dmsnapctl-check.service"} {
		dropIn, err := os.ReadFile(dir + "/units/" + unit + ".d/textfile.conf")
		if err != nil || !strings.Contains(string(dropIn), "\nReadWritePaths=-"+dir+"/metrics\n") {
			t.Errorf("%s may not write metrics: %v\n%s", unit, err, dropIn)
		}
	}
	if said, err := play(t, from, "site.yml", settings); err != nil || !strings.Contains(said, "changed=0 ") {
		t.Errorf("the second run changes something: %v\n%s", err, said)
	}
	// All of the facts count, not only the kernels.
	old := regexp.MustCompile(`"next_evidence": *"\w+"`).ReplaceAllLiteralString(string(fact), `"next_evidence":"other"`)
	if old == string(fact) {
		t.Errorf("no evidence in %s", fact)
	}
	write(t, dir+"/facts/dmsnapctl.fact", old)
	if said, err := play(t, from, "site.yml", settings); err != nil || !strings.Contains(said, "changed=1 ") {
		t.Errorf("another next_evidence is no change: %v\n%s", err, said)
	}
	settings["dmsnapctl_refuse_leaky"] = true
	for _, args := range [][]string{nil, {"--check"}} {
		if said, err := play(t, from, "gate.yml", settings, args...); err == nil || !strings.Contains(said, "failed=1 ") {
			t.Errorf("%v: a leaky kernel passes the gate: %v\n%s", args, err, said)
		}
	}
}

// systemctl answers the questions of Ansible, and notes what it is told. Like
// systemd, it does not call a unit active that runs once and ends.
const systemctl = `#!/bin/sh
mkdir -p /tmp/enabled /tmp/active
unit=$2
case $1 in
show) echo LoadState=loaded; echo Id=$unit; if test -e /tmp/active/$unit; then echo ActiveState=active; else echo ActiveState=inactive; fi ;;
is-enabled) if test -e /tmp/enabled/$unit; then echo enabled; else echo disabled; exit 1; fi ;;
enable) touch /tmp/enabled/$unit ;;
start) echo $unit >>/tmp/started; test $unit = dmsnapctl-recover.service || touch /tmp/active/$unit ;;
esac
`

// playWithin runs site.yml in a root, with its own processes and shared memory.
func playWithin(t *testing.T, root string, settings map[string]any, args ...string) (string, error) {
	t.Helper()
	vars, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	const enter = `mkdir -p "$1/dev/shm"; mount -t tmpfs none "$1/dev/shm"; root=$1; shift; cd "$root"; exec chroot "$root" /bin/sh -c 'cd /ansible && exec "$@"' sh "$@"`
	play := append([]string{"ansible-playbook", "-i", "localhost,", "-c", "local", "-e", string(vars), "site.yml"}, args...)
	cmd := exec.Command("unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc=" + root + "/proc", "/bin/sh", "-ec", enter, "sh", root}, play...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=0", "HOME=/root", "TMPDIR=/tmp")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// On a machine without the program, --check changes nothing and does not fail. The
// role installs the package. A machine that the gate refuses has facts and a
// monitor nevertheless. The unit that runs at boot is enabled, and not started. A
// second run changes nothing.
func TestRoleOnANewMachine(t *testing.T) {
	root := debianRoot(t, "ansible-core", "python3-apt")
	from := unpacked(t) + "/usr/share/doc/dmsnapctl/examples/ansible"
	must(t, "cp", "-r", from, root+"/ansible")
	must(t, "cp", "-r", leakySystem(t), root+"/leaky")
	must(t, "cp", debOf(built(t)), root+"/ansible/dmsnapctl.deb")
	write(t, root+"/usr/bin/systemctl", systemctl)
	within(t, root, "mkdir -p /run/systemd/system /unknown")
	settings := map[string]any{"ansible_become": false, "dmsnapctl_package": "/ansible/dmsnapctl.deb", "dmsnapctl_root": "/leaky"}
	there := func(path string) bool {
		_, err := os.Stat(root + path)
		return err == nil
	}

	if said, err := playWithin(t, root, settings, "--check"); err != nil {
		t.Errorf("--check: %v\n%s", err, said)
	}
	for _, path := range []string{"/usr/sbin/dmsnapctl", "/etc/ansible/facts.d", "/etc/default/dmsnapctl", "/etc/systemd/system/dmsnapctl-check.service.d", "/tmp/enabled"} {
		if there(path) {
			t.Errorf("--check made %s", path)
		}
	}

	if said, err := playWithin(t, root, settings); err == nil || !strings.Contains(said, "never got the leak fix") {
		t.Errorf("a leaky kernel passes: %v\n%s", err, said)
	}
	for _, path := range []string{"/etc/ansible/facts.d/dmsnapctl.fact", "/tmp/active/dmsnapctl-monitor.service", "/tmp/active/dmsnapctl-check.timer", "/tmp/enabled/dmsnapctl-recover.service",
		"/etc/systemd/system/dmsnapctl-check.service.d/textfile.conf"} {
		if !there(path) {
			t.Errorf("a machine that was refused has no %s", path)
		}
	}

	settings["dmsnapctl_refuse_leaky"] = false
	if said, err := playWithin(t, root, settings); err != nil || !strings.Contains(said, "changed=0 ") {
		t.Errorf("the second run changes something: %v\n%s", err, said)
	}
	if said := within(t, root, "cat /tmp/started"); strings.Contains(said, "recover") {
		t.Errorf("started: %s", said)
	}

	// A machine that could not be judged.
	settings["dmsnapctl_root"] = "/unknown"
	if said, err := playWithin(t, root, settings); err == nil || !strings.Contains(said, "failed=1 ") {
		t.Errorf("a machine that could not be judged passes: %v\n%s", err, said)
	}
	settings["dmsnapctl_refuse_unknown"] = false
	if said, err := playWithin(t, root, settings); err != nil {
		t.Errorf("an allowed machine is refused: %v\n%s", err, said)
	}
}

// Where dnf manages packages, the role installs the .rpm: with --check it only says so,
// and a second run changes nothing.
func TestRoleInstallsTheRPM(t *testing.T) {
	root := fedoraLike(t, "ansible-core", "python3-dnf")
	must(t, "cp", "-r", unpacked(t)+"/usr/share/doc/dmsnapctl/examples/ansible", root+"/ansible")
	must(t, "cp", "-r", leakySystem(t), root+"/leaky")
	must(t, "cp", rpmOf(built(t)), root+"/ansible/dmsnapctl.rpm")
	write(t, root+"/usr/bin/systemctl", systemctl)
	// There are no repositories, and a release must have a number.
	within(t, root, "mkdir -p /run/systemd/system /etc/dnf/vars; echo 1 >/etc/dnf/vars/releasever; rm -f /etc/yum.repos.d/*")
	settings := map[string]any{
		"ansible_become": false, "dmsnapctl_package": "/ansible/dmsnapctl.rpm", "dmsnapctl_root": "/leaky", "dmsnapctl_refuse_leaky": false,
	}
	installed := func() bool {
		_, err := os.Stat(root + "/usr/bin/dmsnapctl")
		return err == nil
	}

	if said, err := playWithin(t, root, settings, "--check"); err != nil || installed() {
		t.Errorf("--check on a new machine: %v, installed %t\n%s", err, installed(), said)
	}
	// With a copy on the machine, --check asks dnf too.
	must(t, "cp", root+"/ansible/dmsnapctl.rpm", root+"/var/cache/dmsnapctl.rpm")
	said, err := playWithin(t, root, settings, "--check")
	if _, asked, _ := strings.Cut(said, "Install the package on Fedora"); err != nil || installed() || !strings.Contains(asked, "\nchanged: ") {
		t.Errorf("--check with a copy: %v, installed %t\n%s", err, installed(), said)
	}

	if said, err := playWithin(t, root, settings); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if said := within(t, root, "rpm -q dmsnapctl; cat /etc/ansible/facts.d/dmsnapctl.fact"); !strings.HasPrefix(said, "dmsnapctl-0.9.0-1.x86_64\n") || !strings.Contains(said, "leaky") {
		t.Errorf("installed: %s", said)
	}
	if said, err := playWithin(t, root, settings); err != nil || !strings.Contains(said, "changed=0 ") {
		t.Errorf("the second run changes something: %v\n%s", err, said)
	}
}
