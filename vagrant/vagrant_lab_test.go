//go:build linux && lab

// Checks of the Vagrantfile and its scripts with the tools that are made for
// that; they are installed by package.

package vagrant_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// tool makes sure that the command of a package is there. It reports false on a
// system whose archive does not have the package.
func tool(t *testing.T, name string) bool {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	var progress bytes.Buffer
	err := packages.Install(&progress, name)
	t.Log(progress.String())
	if err == nil {
		return true
	}
	versions, unknown := packages.Configured.Versions(name)
	if unknown == nil && len(versions) == 0 {
		t.Logf("this system has no package %s", name)
		return false
	}
	t.Fatal(err)
	return false
}

func TestVagrantfileIsValid(t *testing.T) {
	if !tool(t, "vagrant") {
		return
	}
	// The settings of providers can be checked only where they are installed.
	cmd := exec.Command("vagrant", "validate", "--ignore-provider")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "VAGRANT_HOME="+t.TempDir(), "VAGRANT_DOTFILE_PATH="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("vagrant validate: %v\n%s", err, out)
	}
}

func TestScriptsAreSound(t *testing.T) {
	scripts, err := filepath.Glob("*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts %v, error %v", scripts, err)
	}
	if !tool(t, "shellcheck") {
		return
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}
