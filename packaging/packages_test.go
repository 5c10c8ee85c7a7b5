//go:build packages && linux

package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// TestMain installs what judges the packages.
func TestMain(m *testing.M) {
	if err := packages.Install(os.Stderr, "lintian", "mandoc", "rpm", "systemd", "prometheus"); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Two builds of one tree are the same, bit by bit, and lintian has nothing to
// say of the package.
func TestPackages(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	must(t, "./build.sh", "0.9.0", one, "amd64")
	must(t, "./build.sh", "0.9.0", two, "amd64")
	for _, name := range []string{"dmsnapctl_0.9.0-1_amd64.deb", "dmsnapctl-0.9.0-1.x86_64.rpm"} {
		a, err := os.ReadFile(filepath.Join(one, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(two, name))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another one when it is built again: %v", name, err)
		}
	}
	if said := must(t, "lintian", "--allow-root", filepath.Join(one, "dmsnapctl_0.9.0-1_amd64.deb")); said != "" {
		t.Errorf("lintian: %s", said)
	}
	listed := must(t, "rpm", "-qpl", "--nosignature", filepath.Join(one, "dmsnapctl-0.9.0-1.x86_64.rpm"))
	for _, file := range []string{"/usr/sbin/dmsnapctl", "/usr/share/man/man8/dmsnapctl-verify.8.gz", "/usr/share/zsh/site-functions/_dmsnapctl"} {
		if !strings.Contains(listed, file+"\n") {
			t.Errorf("the .rpm lacks %s", file)
		}
	}
}

func TestUnitsAreHardened(t *testing.T) {
	for _, unit := range []string{"monitor", "recover", "check"} {
		must(t, "systemd-analyze", "security", "--offline=true", "--threshold=30", "systemd/dmsnapctl-"+unit+".service")
	}
}

func TestAlerts(t *testing.T) {
	must(t, "promtool", "check", "rules", "fleet/prometheus/dmsnapctl.rules.yml")
	must(t, "promtool", "test", "rules", "fleet/prometheus/dmsnapctl.rules.test.yml")
}
