//go:build packages && linux

package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
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
	if said, err := play(t, from, "site.yml", settings); err != nil || !strings.Contains(said, "changed=0 ") {
		t.Errorf("the second run changes something: %v\n%s", err, said)
	}
	settings["dmsnapctl_refuse_leaky"] = true
	for _, args := range [][]string{nil, {"--check"}} {
		if said, err := play(t, from, "gate.yml", settings, args...); err == nil || !strings.Contains(said, "failed=1 ") {
			t.Errorf("%v: a leaky kernel passes the gate: %v\n%s", args, err, said)
		}
	}
}
